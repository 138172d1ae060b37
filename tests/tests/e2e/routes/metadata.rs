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
        // Three versions share one canonical URL: each is named with its version.
        for version in ["6.1.0", "7.0.0", "8.0.0"] {
            let profile = format!("http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient|{version}");
            let supported = patient["supportedProfile"].as_array().expect("supportedProfile");
            assert!(supported.iter().any(|one| *one == profile), "{profile} is not among {supported:?}");
        }
        // It is itself a valid resource.
        crate::demo::assert_valid(&statement);
    }
}
