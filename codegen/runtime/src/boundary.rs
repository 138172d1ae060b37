//! The shape of the patient boundary: what a token with a patient in context may see, and by which search parameters
//! a resource belongs to a patient. The table is generated; its rules stand in `spec/boundary.toml`.

/// The boundary for all resource types.
#[derive(Debug)]
pub struct PatientBoundary {
    /// One entry for each resource type, in alphabetical order (that of `vesta_fhir::types::ResourceType`).
    pub types: &'static [TypeBoundary],
}

/// What the boundary says of a resource type.
#[derive(Debug)]
pub struct TypeBoundary {
    pub resource_type: &'static str,
    pub rule: BoundaryRule,
    /// The codes of the reference parameters by which a resource of the type belongs to a patient, whether inside the
    /// boundary or only found by them. The position is the bit number in the stored compartment rows: first the
    /// parameters of R4's Patient compartment in the order of its definition, then further ones of R4, of which
    /// `spec/boundary.toml` fixes the order. Both are closed lists to which is only ever appended, so that a number
    /// keeps its meaning from release to release.
    pub parameters: &'static [&'static str],
    /// The code of the date parameter by which a patient's resources are walked, newest first. None for types
    /// without a clinically relevant date.
    pub date: Option<&'static str>,
}

/// When a resource is inside a patient's boundary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundaryRule {
    /// The Patient itself.
    Itself,
    /// When one of these parameters (all of them in [`TypeBoundary::parameters`]) points to the patient.
    Parameters(&'static [&'static str]),
    /// A Provenance: when a resource that it targets is inside.
    ProvenanceTarget,
    /// A Binary: when its `securityContext`, or a resource that refers to it, is inside.
    BinaryContext,
    /// About no patient: readable by everyone whose scope names the type.
    Directory,
    /// Never inside.
    Outside,
}

impl PatientBoundary {
    /// The entry of a resource type.
    pub fn get(&self, resource_type: &str) -> Option<&'static TypeBoundary> {
        let found = self.types.binary_search_by(|entry| entry.resource_type.cmp(resource_type)).ok()?;
        Some(&self.types[found])
    }
}

impl TypeBoundary {
    /// The number of the bit that stands for a parameter in the compartment rows, from 0.
    pub fn bit(&self, code: &str) -> Option<u32> {
        let position = self.parameters.iter().position(|parameter| *parameter == code)?;
        u32::try_from(position).ok()
    }

    /// The bits of which one at least is set in the rows of a resource inside the boundary; 0 where the rule is not
    /// [`BoundaryRule::Parameters`].
    pub fn mask(&self) -> u32 {
        match self.rule {
            BoundaryRule::Parameters(codes) => {
                codes.iter().filter_map(|code| self.bit(code)).fold(0, |mask, bit| mask | 1 << bit)
            }
            _ => 0,
        }
    }
}
