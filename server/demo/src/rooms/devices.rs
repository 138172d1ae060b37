//! Implanted devices and their Unique Device Identifier.

use jiff::civil::Date;
use serde_json::json;

use crate::chart::{Chart, Visit};
use crate::element::{Code, concept, snomed};
use crate::time::{day, years_after};

pub(crate) const PACEMAKER: Code = snomed("14106009", "Cardiac pacemaker");
pub(crate) const KNEE_PROSTHESIS: Code = snomed("109228008", "Knee joint prosthesis");

/// The five production identifiers stand in the human readable form of the barcode as GS1 writes them: (01) the device,
/// (11) made, (17) expires, (10) lot, (21) serial number; and the distinct identification code of tissue beside it.
pub(crate) fn implant(chart: &mut Chart, visit: &Visit, kind: &Code, made: Date, status: &str) -> String {
    const DEVICE: &str = "09504000059118";
    let expires = years_after(made, 6);
    let (lot, serial) = (chart.random.digits(7), chart.random.digits(8));
    let short = |date: Date| date.strftime("%y%m%d").to_string();
    let readable = format!("(01){DEVICE}(11){}(17){}(10){lot}(21){serial}", short(made), short(expires));
    let body = json!({
        "udiCarrier": [{
            "deviceIdentifier": DEVICE,
            "issuer": "http://hl7.org/fhir/NamingSystem/gs1-di",
            "carrierHRF": readable,
        }],
        "status": status,
        "distinctIdentifier": format!("A{}", chart.random.digits(9)),
        "manufactureDate": day(made),
        "expirationDate": day(expires),
        "lotNumber": lot,
        "serialNumber": serial,
        "type": concept(kind),
        "patient": chart.subject(),
    });
    chart.add("Device", &["us-core-implantable-device"], visit.end, body)
}
