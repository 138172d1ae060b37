//! Generated records for the benchmark: deterministic, sized as Synthea's, spread over patients, codes and years. They
//! are for load; the clinic that a person looks at is the demo's.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// Observations of each patient.
pub(crate) const OBSERVATIONS: usize = 300;
const LABORATORY: [(&str, &str, &str); 12] = [
    ("2339-0", "Glucose [Mass/volume] in Blood", "mg/dL"),
    ("38483-4", "Creatinine [Mass/volume] in Blood", "mg/dL"),
    ("2947-0", "Sodium [Moles/volume] in Blood", "mmol/L"),
    ("6298-4", "Potassium [Moles/volume] in Blood", "mmol/L"),
    ("4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%"),
    ("2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL"),
    ("2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "mg/dL"),
    ("2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", "mg/dL"),
    ("6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL"),
    ("789-8", "Erythrocytes [#/volume] in Blood by Automated count", "10*6/uL"),
    ("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL"),
    ("777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL"),
];
const VITAL_SIGNS: [(&str, &str, &str); 6] = [
    ("8302-2", "Body height", "cm"),
    ("29463-7", "Body weight", "kg"),
    ("39156-5", "Body mass index (BMI) [Ratio]", "kg/m2"),
    ("8310-5", "Body temperature", "Cel"),
    ("8867-4", "Heart rate", "/min"),
    ("9279-1", "Respiratory rate", "/min"),
];
const FAMILIES: [&str; 20] = [
    "Abbott", "Becker", "Cohen", "Díaz", "Evans", "Fischer", "García", "Hansen", "Ito", "Jones", "Kim", "Larsen",
    "Müller", "Nguyen", "O'Brien", "Patel", "Quinn", "Rossi", "Smith", "Torres",
];

/// A small generator (SplitMix64): the same seed gives the same records on every machine.
#[derive(Clone)]
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    pub(crate) fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

pub(crate) fn patient_id(patient: usize) -> String {
    format!("bench-patient-{patient}")
}

pub(crate) fn observation_id(patient: usize, number: usize) -> String {
    format!("bench-observation-{patient}-{number}")
}

pub(crate) fn family(patient: usize) -> String {
    format!("{}{}", FAMILIES[patient % FAMILIES.len()], patient / FAMILIES.len() % 50)
}

/// The code of an observation, and whether it is a laboratory result.
pub(crate) fn code(patient: usize, number: usize) -> (&'static str, bool) {
    let (code, _, _, laboratory) = kind(patient, number);
    (code, laboratory)
}

fn kind(patient: usize, number: usize) -> (&'static str, &'static str, &'static str, bool) {
    let mut random = Random((patient * OBSERVATIONS + number) as u64);
    let laboratory = random.below(3) < 2;
    let (code, display, unit) = if laboratory { random.of(&LABORATORY) } else { random.of(&VITAL_SIGNS) };
    (code, display, unit, laboratory)
}

pub(crate) fn patient(patient: usize) -> String {
    let mut random = Random(patient as u64);
    let (year, month, day) = (1930 + random.below(90), 1 + random.below(12), 1 + random.below(28));
    format!(
        r#"{{"resourceType":"Patient","id":"{id}","identifier":[{{"use":"usual","type":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/v2-0203","code":"MR","display":"Medical Record Number"}}],"text":"Medical Record Number"}},"system":"http://hospital.example.org/mrn","value":"MRN{patient:07}"}}],"active":true,"name":[{{"use":"official","family":"{family}","given":["Given{given}","Middle"]}}],"telecom":[{{"system":"phone","value":"555-{phone:04}","use":"home"}},{{"system":"email","value":"patient{patient}@example.org"}}],"gender":"{gender}","birthDate":"{year}-{month:02}-{day:02}","address":[{{"line":["{house} Main Street"],"city":"Springfield","state":"MA","postalCode":"{zip:05}","country":"US"}}],"communication":[{{"language":{{"coding":[{{"system":"urn:ietf:bcp:47","code":"en","display":"English"}}],"text":"English"}}}}]}}"#,
        id = patient_id(patient),
        family = family(patient),
        given = random.below(300),
        phone = random.below(10_000),
        gender = random.of(&["female", "male"]),
        house = 1 + random.below(999),
        zip = random.below(90_000),
    )
}

pub(crate) fn observation(patient: usize, number: usize) -> String {
    let (code, display, unit, laboratory) = kind(patient, number);
    let (category, category_display) =
        if laboratory { ("laboratory", "Laboratory") } else { ("vital-signs", "Vital Signs") };
    let mut random = Random(!((patient * OBSERVATIONS + number) as u64));
    format!(
        r#"{{"resourceType":"Observation","id":"{id}","status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"{category}","display":"{category_display}"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"{code}","display":"{display}"}}],"text":"{display}"}},"subject":{{"reference":"Patient/{patient}"}},"effectiveDateTime":"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:00-05:00","issued":"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:30.117-05:00","valueQuantity":{{"value":{whole}.{tenths}0,"unit":"{unit}","system":"http://unitsofmeasure.org","code":"{unit}"}},"referenceRange":[{{"low":{{"value":70,"unit":"{unit}","system":"http://unitsofmeasure.org","code":"{unit}"}},"high":{{"value":110,"unit":"{unit}","system":"http://unitsofmeasure.org","code":"{unit}"}}}}]}}"#,
        id = observation_id(patient, number),
        patient = patient_id(patient),
        year = 2010 + random.below(15),
        month = 1 + random.below(12),
        day = 1 + random.below(28),
        hour = random.below(24),
        minute = random.below(60),
        whole = 40 + random.below(120),
        tenths = random.below(10),
    )
}

/// Writes the patients and their observations as NDJSON, a file for each thousand patients. Returns how many
/// resources there are.
pub(crate) fn write(folder: &Path, patients: usize) -> Outcome<(Vec<PathBuf>, usize)> {
    std::fs::create_dir_all(folder)?;
    let mut files = Vec::new();
    for (number, chunk) in (0..patients).collect::<Vec<_>>().chunks(250).enumerate() {
        let path = folder.join(format!("records-{number:04}.ndjson"));
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
        for one in chunk {
            writeln!(file, "{}", patient(*one))?;
            for number in 0..OBSERVATIONS {
                writeln!(file, "{}", observation(*one, number))?;
            }
        }
        file.flush()?;
        files.push(path);
    }
    Ok((files, patients * (OBSERVATIONS + 1)))
}

/// Writes `count` patients from `first` on, each with the observations as one transaction Bundle. Returns how many
/// resources there are.
pub(crate) fn write_bundles(folder: &Path, first: usize, count: usize) -> Outcome<(Vec<PathBuf>, usize)> {
    std::fs::create_dir_all(folder)?;
    let mut files = Vec::new();
    for one in first..first + count {
        let path = folder.join(format!("bundle-{one:06}.json"));
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
        write!(file, r#"{{"resourceType":"Bundle","type":"transaction","entry":["#)?;
        let entry = |kind: &str, id: String, resource: String| {
            format!(r#"{{"resource":{resource},"request":{{"method":"PUT","url":"{kind}/{id}"}}}}"#)
        };
        write!(file, "{}", entry("Patient", patient_id(one), patient(one)))?;
        for number in 0..OBSERVATIONS {
            let resource = observation(one, number);
            write!(file, ",{}", entry("Observation", observation_id(one, number), resource))?;
        }
        write!(file, "]}}")?;
        file.flush()?;
        files.push(path);
    }
    Ok((files, count * (OBSERVATIONS + 1)))
}
