//! The everyday names: what a resource type is called by people who have never heard of FHIR, and a part of it that a
//! scope may be limited to. A phrase goes on behind "your", "this patient's" or "all patients'".

/// Under which heading the consent page and lists of scopes put a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Everything,
    Person,
    Problems,
    Results,
    Medicines,
    Care,
    Documents,
    Coverage,
    People,
    Other,
}

impl Group {
    pub fn title(self) -> &'static str {
        match self {
            Self::Everything => "The whole record",
            Self::Person => "Personal details",
            Self::Problems => "Health problems and history",
            Self::Results => "Test results and measurements",
            Self::Medicines => "Medicines and vaccines",
            Self::Care => "Care and treatment",
            Self::Documents => "Documents and forms",
            Self::Coverage => "Insurance and payment",
            Self::People => "People and places of care",
            Self::Other => "Other records",
        }
    }
}

/// Whether a record of the type is somebody's, or stands in the directory for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Patient,
    Nobody,
}

use Group::{Care, Coverage, Documents, Medicines, Other, People, Person, Problems, Results};
use Of::{Nobody, Patient};
use Rank::{Granular, Named, Offered};

/// Every type that US Core profiles, and those of R4 that have an everyday name. What is not here is called by its type.
pub(super) const TYPES: &[(&str, Group, Of, &str)] = &[
    ("Account", Coverage, Patient, "billing accounts"),
    ("AdverseEvent", Problems, Patient, "harm and side effects during care"),
    ("AllergyIntolerance", Problems, Patient, "allergies and intolerances"),
    ("Appointment", Care, Patient, "appointments"),
    ("AuditEvent", Other, Patient, "log of who looked at the records"),
    ("Basic", Other, Patient, "notes that apps keep"),
    ("Binary", Documents, Patient, "files of documents"),
    ("BodyStructure", Problems, Patient, "marked places on the body"),
    ("CarePlan", Care, Patient, "care plans"),
    ("CareTeam", Care, Patient, "care team"),
    ("ClaimResponse", Coverage, Patient, "answers to insurance claims"),
    ("Claim", Coverage, Patient, "insurance claims"),
    ("ClinicalImpression", Problems, Patient, "assessments by clinicians"),
    ("Communication", Care, Patient, "messages about care"),
    ("CommunicationRequest", Care, Patient, "requests to send a message about care"),
    ("Composition", Documents, Patient, "structured documents"),
    ("Condition", Problems, Patient, "health problems and diagnoses"),
    ("Consent", Documents, Patient, "consents and advance directives"),
    ("Contract", Documents, Patient, "contracts"),
    ("Coverage", Coverage, Patient, "health insurance"),
    ("CoverageEligibilityRequest", Coverage, Patient, "questions to the insurance about coverage"),
    ("CoverageEligibilityResponse", Coverage, Patient, "answers of the insurance about coverage"),
    ("DetectedIssue", Problems, Patient, "warnings, such as medicines that do not go together"),
    ("Device", Care, Patient, "implants and medical devices"),
    ("DeviceRequest", Care, Patient, "orders of medical devices"),
    ("DeviceUseStatement", Care, Patient, "use of medical devices"),
    ("DiagnosticReport", Results, Patient, "lab, imaging and other test reports"),
    ("DocumentManifest", Documents, Patient, "sets of documents"),
    ("DocumentReference", Documents, Patient, "clinical notes and other documents"),
    ("Encounter", Care, Patient, "visits and hospital stays"),
    ("Endpoint", People, Nobody, "electronic addresses of organizations"),
    ("EpisodeOfCare", Care, Patient, "periods of care"),
    ("ExplanationOfBenefit", Coverage, Patient, "statements of what the insurance paid"),
    ("FamilyMemberHistory", Problems, Patient, "family health history"),
    ("Flag", Problems, Patient, "warnings on the chart"),
    ("Goal", Care, Patient, "health goals"),
    ("Group", Other, Nobody, "lists of patients"),
    ("HealthcareService", People, Nobody, "services that organizations offer"),
    ("ImagingStudy", Results, Patient, "imaging, such as X-ray and MRI"),
    ("Immunization", Medicines, Patient, "vaccinations"),
    ("ImmunizationEvaluation", Medicines, Patient, "checks of vaccinations"),
    ("ImmunizationRecommendation", Medicines, Patient, "recommended vaccinations"),
    ("InsurancePlan", Coverage, Nobody, "insurance plans"),
    ("Invoice", Coverage, Patient, "invoices"),
    ("List", Other, Patient, "lists, such as current medicines"),
    ("Location", People, Nobody, "clinics, hospitals and other places"),
    ("Measure", Other, Nobody, "quality measures"),
    ("MeasureReport", Other, Patient, "results of quality measures"),
    ("Media", Documents, Patient, "photos, videos and recordings"),
    ("Medication", Medicines, Nobody, "descriptions of medicines"),
    ("MedicationAdministration", Medicines, Patient, "medicines given"),
    ("MedicationDispense", Medicines, Patient, "medicines handed out by pharmacies"),
    ("MedicationRequest", Medicines, Patient, "prescriptions"),
    ("MedicationStatement", Medicines, Patient, "medicines taken"),
    ("NutritionOrder", Care, Patient, "diets ordered"),
    ("Observation", Results, Patient, "lab results, vital signs and other observations"),
    ("Organization", People, Nobody, "hospitals, practices and other organizations"),
    ("Patient", Person, Patient, "name, birth date, address and other personal details"),
    ("Person", Person, Patient, "links between records of one person"),
    ("Practitioner", People, Nobody, "doctors, nurses and other care professionals"),
    ("PractitionerRole", People, Nobody, "where care professionals work and what they do there"),
    ("Procedure", Care, Patient, "operations and other procedures"),
    ("Provenance", Other, Patient, "history of who entered or changed records"),
    ("Questionnaire", Documents, Nobody, "forms and questionnaires"),
    ("QuestionnaireResponse", Documents, Patient, "answers to forms and questionnaires"),
    ("RelatedPerson", Person, Patient, "family members, guardians and other contacts"),
    ("RequestGroup", Care, Patient, "groups of orders"),
    ("ResearchStudy", Other, Nobody, "research studies"),
    ("ResearchSubject", Other, Patient, "part in research studies"),
    ("RiskAssessment", Problems, Patient, "assessed health risks"),
    ("Schedule", Care, Nobody, "schedules for appointments"),
    ("ServiceRequest", Care, Patient, "orders and referrals"),
    ("Slot", Care, Nobody, "free times for appointments"),
    ("Specimen", Results, Patient, "samples, such as blood"),
    ("SupplyDelivery", Care, Patient, "deliveries of supplies"),
    ("SupplyRequest", Care, Patient, "orders of supplies"),
    ("Task", Care, Patient, "tasks in care"),
    ("ValueSet", Other, Nobody, "lists of codes"),
    ("VisionPrescription", Medicines, Patient, "prescriptions of glasses and contact lenses"),
];

/// What a scope on everything may be narrowed to: the types that US Core asks a server for, without those that tell nothing
/// of a person (Endpoint, HealthcareService, Questionnaire, ValueSet), which would only make the list longer.
/// <https://hl7.org/fhir/us/core/STU8/scopes.html>
pub(super) const OFFERED_TYPES: &[&str] = &[
    "Patient",
    "RelatedPerson",
    "Condition",
    "AllergyIntolerance",
    "Observation",
    "DiagnosticReport",
    "Specimen",
    "MedicationRequest",
    "MedicationDispense",
    "Medication",
    "Immunization",
    "Encounter",
    "Procedure",
    "CarePlan",
    "CareTeam",
    "Goal",
    "ServiceRequest",
    "Device",
    "DocumentReference",
    "QuestionnaireResponse",
    "Media",
    "Coverage",
    "Practitioner",
    "PractitionerRole",
    "Organization",
    "Location",
    "Provenance",
];

const OBSERVATION: &str = "http://terminology.hl7.org/CodeSystem/observation-category";
const CONDITION: &str = "http://terminology.hl7.org/CodeSystem/condition-category";
const US_CONDITION: &str = "http://hl7.org/fhir/us/core/CodeSystem/condition-category";
const US_CATEGORY: &str = "http://hl7.org/fhir/us/core/CodeSystem/us-core-category";
const US_DOCUMENT: &str = "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category";
const REPORT: &str = "http://terminology.hl7.org/CodeSystem/v2-0074";
const LOINC: &str = "http://loinc.org";

/// A part of a type by `category`.
pub(super) struct Part {
    pub(super) resource_type: &'static str,
    pub(super) system: &'static str,
    pub(super) code: &'static str,
    pub(super) words: &'static str,
    pub(super) rank: Rank,
}

/// What a part is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// It has a name.
    Named,
    /// A scope on the whole type may be narrowed to it on the consent page.
    Offered,
    /// And US Core requires scopes for it, so that discovery names them. The guide's table stands in its pages, not in its
    /// package: <https://hl7.org/fhir/us/core/STU8/scopes.html#the-us-core-scopes>
    Granular,
}

const fn part(
    resource_type: &'static str,
    system: &'static str,
    code: &'static str,
    words: &'static str,
    rank: Rank,
) -> Part {
    Part { resource_type, system, code, words, rank }
}

pub(super) const PARTS: &[Part] = &[
    part("Observation", OBSERVATION, "laboratory", "lab results", Granular),
    part("Observation", OBSERVATION, "vital-signs", "vital signs, such as blood pressure, height and weight", Granular),
    part("Observation", OBSERVATION, "social-history", "social history, such as smoking, pregnancy and work", Granular),
    part("Observation", OBSERVATION, "survey", "answers to health surveys and screenings", Granular),
    part("Observation", US_CATEGORY, "sdoh", "living conditions, such as housing and food", Granular),
    part("Observation", US_CATEGORY, "functional-status", "ability to manage daily life", Offered),
    part("Observation", US_CATEGORY, "disability-status", "disabilities", Offered),
    part("Observation", US_CATEGORY, "cognitive-status", "memory and thinking", Offered),
    part("Observation", US_CATEGORY, "treatment-intervention-preference", "wishes about treatments", Offered),
    part("Observation", US_CATEGORY, "care-experience-preference", "wishes about how care is given", Offered),
    part("Observation", US_CATEGORY, "observation-adi-documentation", "notes on advance directives", Offered),
    part("Observation", OBSERVATION, "imaging", "imaging results", Offered),
    part("Observation", OBSERVATION, "procedure", "results of procedures", Offered),
    part("Observation", OBSERVATION, "exam", "findings of physical exams", Offered),
    part("Observation", OBSERVATION, "therapy", "observations during therapy", Offered),
    part("Observation", OBSERVATION, "activity", "physical activity", Offered),
    part("Condition", CONDITION, "problem-list-item", "problem list", Granular),
    part("Condition", CONDITION, "encounter-diagnosis", "diagnoses made at visits", Granular),
    part("Condition", US_CONDITION, "health-concern", "other health concerns", Granular),
    part("Condition", US_CATEGORY, "sdoh", "problems with living conditions, such as housing and food", Named),
    part("DocumentReference", US_DOCUMENT, "clinical-note", "clinical notes", Granular),
    part("DiagnosticReport", REPORT, "LAB", "lab reports", Named),
    part("DiagnosticReport", LOINC, "LP29684-5", "imaging reports", Named),
    part("DiagnosticReport", LOINC, "LP29708-2", "heart test reports", Named),
    part("DiagnosticReport", LOINC, "LP7839-6", "pathology reports", Named),
    part("ServiceRequest", US_CATEGORY, "sdoh", "referrals about living conditions, such as housing and food", Named),
    part("ServiceRequest", US_CATEGORY, "functional-status", "referrals about managing daily life", Named),
];

/// What the scopes say that are not about records. An identity claim, or what the app is told about the launch.
pub(super) const SPECIAL: &[(&str, &str)] = &[
    ("openid", "Recognize you when you come back, by a number that this server uses for you"),
    ("fhirUser", "See your own entry in the records: which patient or care professional you are here"),
    ("profile", "See your name"),
    ("name", "See your name"),
    ("given_name", "See your first name"),
    ("family_name", "See your last name"),
    ("nickname", "See your nickname"),
    ("email", "See your email address"),
    ("email_verified", "See whether your email address is confirmed"),
    ("phone", "See your phone number"),
    ("phone_verified", "See whether your phone number is confirmed"),
    ("address", "See your address"),
    // OpenEMR's names for its APIs.
    ("api:fhir", "Use this server's FHIR API"),
    ("api:oemr", "Use this server's standard API"),
    ("api:port", "Use this server's patient portal API"),
];
