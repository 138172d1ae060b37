//! `DELETE [base]/{type}/{id}`: <https://hl7.org/fhir/R4/http.html#delete>

use super::patient;

on_both_databases! {
    /// 200 with an outcome, since clients that count 204 as a failure are many; deleting again is no error.
    fn what_is_deleted_is_gone_and_found_no_more(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Delete"));
        assert_eq!(client.ids("Patient?family=delete"), std::slice::from_ref(&id));
        let answer = client.delete(&format!("Patient/{id}"));
        assert!([200, 204].contains(&answer.status), "{answer:?}");
        assert!(client.ids("Patient?family=delete").is_empty());
        client.get(&format!("Patient/{id}")).expect(410).issues();
        let again = client.delete(&format!("Patient/{id}"));
        assert!([200, 204].contains(&again.status), "{again:?}");
        // The history has one deletion.
        let history = client.get(&format!("Patient/{id}/_history")).expect(200).json();
        assert_eq!(history["total"], 2);
    }

    fn the_version_to_delete_can_be_named(world) {
        let client = world.client("user/*.cruds");
        let id = client.create(&patient("Named"));
        client.send("DELETE", &format!("Patient/{id}"), &[("if-match", "W/\"9\"")], None).expect(412).issues();
        client.get(&format!("Patient/{id}")).expect(200);
    }
}
