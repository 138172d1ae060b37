//! `GET [base]/metadata`: <https://hl7.org/fhir/R4/http.html#capabilities>

on_both_databases! {
    fn the_capability_statement_says_what_there_is_and_needs_no_token(world) {
        let statement = world.anyone().get("metadata").expect(200).json();
        assert_eq!(statement["resourceType"], "CapabilityStatement");
        assert_eq!(statement["fhirVersion"], "4.0.1");
        let instantiates = statement["instantiates"].to_string();
        assert!(instantiates.contains("http://hl7.org/fhir/us/core/CapabilityStatement/us-core-server"), "{instantiates}");
        let resources = statement["rest"][0]["resource"].as_array().expect("resources");
        assert!(resources.len() > 140, "{} resources", resources.len());
        let patient = resources.iter().find(|resource| resource["type"] == "Patient").expect("Patient");
        let names: Vec<&str> =
            patient["searchParam"].as_array().into_iter().flatten().filter_map(|one| one["name"].as_str()).collect();
        for name in ["_id", "name", "family", "birthdate", "identifier", "gender", "race", "death-date"] {
            assert!(names.contains(&name), "{name} is not among {names:?}");
        }
        // The versions of a guide share their canonical URLs: each profile is named with its version.
        for guide in vesta_guides::GUIDES {
            for expected in guide.server.iter().flat_map(|server| server.resources) {
                let resource = resources.iter().find(|resource| resource["type"] == expected.resource_type);
                let supported = &resource.expect("the type")["supportedProfile"];
                for profile in expected.supported_profiles {
                    let is_own = profile.value.starts_with(guide.canonical);
                    assert!(!is_own || profile.value.ends_with(&format!("|{}", guide.version)), "{}", profile.value);
                    let listed = supported.as_array().into_iter().flatten().any(|one| *one == profile.value);
                    assert!(listed, "{} is not among {supported}", profile.value);
                }
            }
        }
        // It is itself a valid resource.
        crate::demo::assert_valid(&statement);
    }
}
