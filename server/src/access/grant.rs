//! From the scopes of a token to what of a type they grant: within which boundary, and what of it.
//!
//! Scopes add up. Several of one type are a union; one without a constraint beside others that have some lifts theirs
//! for its permissions; a patient/ scope holds within the patient's boundary, a user/ scope beside it everywhere. A
//! constraint is read by the one search parser, and decided by what a resource itself says, since it has to hold for a
//! search and for a body that is not stored yet alike. What cannot be decided so grants nothing.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use jiff::Timestamp;

use super::{
    AUDIT_EVENT, AccessContext, AccessError, Boundary, Level, OperationScope, Part, Permission, Permissions, Scope,
};
use crate::fhir::Handling;
use crate::search::{Criterion, IssueKind, ParameterTable, RESULT_PARAMETERS, Rule, Search, Test};

/// What is asked of a token, and of which site: its parameters give the constraints their meaning.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    pub parameters: &'a Arc<ParameterTable>,
    pub now: Timestamp,
}

/// The grants of a token that has constraints, read once for a table of parameters: another table (a site's own
/// parameters came) has them read anew. A copy of a token begins without any.
#[derive(Debug, Default)]
pub struct Remembered(RwLock<Known>);

#[derive(Debug, Default)]
struct Known {
    table: Weak<ParameterTable>,
    grants: HashMap<(&'static str, u8), Boundary>,
    /// How much these take, about, in bytes.
    size: usize,
}

/// The grants of a token are remembered up to about so many bytes for each of its constraints' own.
const GROWTH: usize = 16;
/// And up to so many besides.
const BASE: usize = 8192;
/// What a grant takes besides its criteria.
const GRANT: usize = 256;

impl Clone for Remembered {
    fn clone(&self) -> Self {
        Remembered::default()
    }
}

impl PartialEq for Remembered {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Remembered {
    fn get(&self, table: &Arc<ParameterTable>, key: (&'static str, u8)) -> Option<Boundary> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        // While the weak one is held, no other table comes to the same address.
        let is_same = std::ptr::eq(known.table.as_ptr(), Arc::as_ptr(table));
        if is_same { known.grants.get(&key).cloned() } else { None }
    }

    /// `size` is that of the constraints of the whole token, `own` that of those in this grant.
    fn insert(
        &self,
        table: &Arc<ParameterTable>,
        key: (&'static str, u8),
        boundary: &Boundary,
        (size, own): (usize, usize),
    ) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !std::ptr::eq(known.table.as_ptr(), Arc::as_ptr(table)) {
            *known = Known { table: Arc::downgrade(table), ..Known::default() };
        }
        let Boundary::Parts(parts) = boundary else { return };
        let narrowed: usize = parts.iter().map(|part| part.narrowed.len()).sum();
        let own = GRANT + own * 3 + size * narrowed;
        if known.size + own <= BASE + size * GROWTH && known.grants.insert(key, boundary.clone()).is_none() {
            known.size += own;
        }
    }
}

/// Why a constraint grants nothing.
struct Undecided {
    scope: Scope,
    reason: String,
    /// It may be decided a moment later.
    for_now: bool,
}

impl AccessContext {
    /// Whether the scopes cover an interaction on a type, and what of it.
    pub fn grant(
        &self,
        asked: Asked<'_>,
        resource_type: &str,
        permission: Permission,
    ) -> Result<Boundary, AccessError> {
        self.grant_any(asked, resource_type, &[permission])
    }

    /// What of a type the token reaches: what it may search, and what it may read.
    pub fn reach(&self, asked: Asked<'_>, resource_type: &str) -> Result<Boundary, AccessError> {
        self.grant_any(asked, resource_type, &[Permission::Search, Permission::Read])
    }

    /// Of whom an operation may be asked by a scope that names it, and not by what it is about.
    pub fn operation(&self, resource_type: &str, name: &str) -> Option<Boundary> {
        let is_meant = |scope: &&OperationScope| {
            scope.name == name && scope.resource_type.as_deref().is_none_or(|of| of == resource_type)
        };
        let levels: Vec<Level> = self.operations.iter().filter(is_meant).map(|scope| scope.level).collect();
        if levels.iter().any(|level| *level != Level::Patient) {
            return Some(Boundary::Unrestricted);
        }
        self.patient.clone().filter(|_| !levels.is_empty()).map(Boundary::Patient)
    }

    fn grant_any(
        &self,
        asked: Asked<'_>,
        resource_type: &str,
        permissions: &[Permission],
    ) -> Result<Boundary, AccessError> {
        if resource_type == AUDIT_EVENT {
            return Err(self.no_audit_events(permissions));
        }
        let (mut by_patient, mut in_parts, mut has_constraints) = (false, false, false);
        for scope in &self.scopes {
            let is_whole = scope.constraint.is_empty();
            has_constraints |= !is_whole;
            if !covers(scope, resource_type, permissions) {
                continue;
            }
            match scope.level {
                _ if !is_whole => in_parts = true,
                Level::User | Level::System => return Ok(Boundary::Unrestricted),
                Level::Patient => by_patient = true,
            }
        }
        in_parts |= permissions.contains(&Permission::Read) && self.own(asked, resource_type).is_some();
        let follows = has_constraints && by_patient && follows(asked, resource_type);
        if !in_parts && !follows {
            return match (&self.patient, by_patient) {
                (_, false) => Err(self.insufficient(resource_type, permissions)),
                (Some(patient), true) => Ok(Boundary::Patient(patient.clone())),
                (None, true) => Err(AccessError::NoPatient),
            };
        }
        self.remembered_parts(asked, resource_type, permissions)
    }

    fn remembered_parts(
        &self,
        asked: Asked<'_>,
        resource_type: &str,
        permissions: &[Permission],
    ) -> Result<Boundary, AccessError> {
        let table = asked.parameters;
        let Some(entry) = table.entry(resource_type) else {
            return Err(self.insufficient(resource_type, permissions));
        };
        let key = (entry.name, permissions.iter().fold(0, |all, permission| all | 1 << *permission as u8));
        if let Some(known) = self.remembered.get(table, key) {
            return Ok(known);
        }
        let mut undecided = Vec::new();
        let boundary = self.parts(asked, entry.name, permissions, &mut undecided);
        if boundary.is_nothing() {
            let by_patient = |scope: &Scope| scope.level == Level::Patient && covers(scope, entry.name, permissions);
            if self.patient.is_none() && self.scopes.iter().any(by_patient) {
                return Err(AccessError::NoPatient);
            }
            return Err(match undecided.into_iter().next() {
                Some(Undecided { scope, reason, .. }) => {
                    let shown = Scope { constraint: Vec::new(), ..scope };
                    AccessError::Undecided { scope: shown.to_string(), reason }
                }
                None => self.insufficient(resource_type, permissions),
            });
        }
        if undecided.iter().all(|one| !one.for_now) {
            let own = self.scopes.iter().filter(|scope| covers(scope, entry.name, permissions)).map(size).sum();
            self.remembered.insert(table, key, &boundary, (self.size(), own));
        }
        Ok(boundary)
    }

    /// The bytes of the constraints.
    fn size(&self) -> usize {
        self.scopes.iter().map(size).sum()
    }

    /// What the context may come to take in memory, about, in bytes.
    pub(super) fn weight(&self) -> usize {
        let operations = self.operations.len() * size_of::<OperationScope>();
        let scopes = self.scopes.len() * size_of::<Scope>() + operations;
        let size = self.size();
        let remembered = if size == 0 { 0 } else { BASE + size * (GROWTH + 1) };
        size_of::<AccessContext>() + scopes + remembered
    }

    fn parts(
        &self,
        asked: Asked<'_>,
        of: &'static str,
        permissions: &[Permission],
        undecided: &mut Vec<Undecided>,
    ) -> Boundary {
        let (mut everywhere, mut of_patient): (Vec<Vec<Criterion>>, Vec<Vec<Criterion>>) = Default::default();
        for scope in self.scopes.iter().filter(|scope| covers(scope, of, permissions)) {
            let alternatives = if scope.level == Level::Patient { &mut of_patient } else { &mut everywhere };
            match constraint(asked, of, &scope.constraint) {
                Ok(criteria) => alternatives.push(criteria),
                Err((reason, for_now)) => undecided.push(Undecided { scope: scope.clone(), reason, for_now }),
            }
        }
        if permissions.contains(&Permission::Read)
            && let Some(id) = self.own(asked, of)
        {
            let test = Test::Id(vec![id.to_owned()]);
            everywhere.push(vec![Criterion { code: "_id", negated: false, test }]);
        }
        let mut parts = Vec::new();
        if !everywhere.is_empty() {
            parts.push(Part { types: vec![of], patient: None, criteria: either(everywhere), narrowed: Vec::new() });
        }
        if let Some(patient) = self.patient.as_ref().filter(|_| !of_patient.is_empty()) {
            let narrowed = if follows(asked, of) { self.narrowed(asked, patient) } else { Vec::new() };
            parts.push(Part {
                types: vec![of],
                patient: Some(patient.clone()),
                criteria: either(of_patient),
                narrowed,
            });
        }
        simple(parts)
    }

    /// The types of which the token reaches a part only: what lies with a record of theirs (its Provenance, its
    /// attachment) is reached with those in that part alone.
    fn narrowed(&self, asked: Asked<'_>, patient: &str) -> Vec<(&'static str, Boundary)> {
        let entries = asked.parameters.entries().filter(|entry| entry.boundary.rule == Rule::Compartment);
        let constrained = entries.filter(|entry| {
            let covering = |scope: &Scope| covers(scope, entry.name, &[Permission::Search, Permission::Read]);
            self.scopes.iter().any(|scope| covering(scope) && !scope.constraint.is_empty())
        });
        constrained
            .filter_map(|entry| {
                let reached = self.reach(asked, entry.name).unwrap_or_else(|_| Boundary::nothing());
                let is_narrower =
                    !matches!(&reached, Boundary::Unrestricted) && reached != Boundary::Patient(patient.to_owned());
                is_narrower.then_some((entry.name, reached))
            })
            .collect()
    }

    /// What of the Binaries a record of this patient may name.
    pub fn attachments(&self, asked: Asked<'_>, patient: &str) -> Boundary {
        let narrowed = if self.size() == 0 { Vec::new() } else { self.narrowed(asked, patient) };
        let patient = Some(patient.to_owned());
        simple(vec![Part { types: vec!["Binary"], patient, criteria: Vec::new(), narrowed }])
    }

    /// The id of the user's own resource, where it is of this type and the token covers it: `openid fhirUser` is
    /// "Permission to retrieve information about the current logged-in user".
    /// <https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#quick-start>
    fn own(&self, asked: Asked<'_>, of: &str) -> Option<&str> {
        let user = self.fhir_user.as_deref()?;
        let local = user.strip_prefix(asked.parameters.base()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(user);
        local.strip_prefix(of)?.strip_prefix('/').filter(|id| !id.contains('/'))
    }

    /// The scope to ask for, at the level that the token has already.
    fn insufficient(&self, resource_type: &str, permissions: &[Permission]) -> AccessError {
        let level = self.scopes.first().map_or(Level::User, |scope| scope.level);
        let permissions = permissions.first().map_or(Permissions::ALL, |first| Permissions::only(*first));
        let resource_type = Some(resource_type.to_owned());
        let needed = Scope { level, resource_type, permissions, constraint: Vec::new() };
        AccessError::InsufficientScope { needed: needed.to_string() }
    }
}

/// The bytes of a constraint.
fn size(scope: &Scope) -> usize {
    scope.constraint.iter().map(|(name, value)| name.len() + value.len()).sum()
}

fn covers(scope: &Scope, resource_type: &str, permissions: &[Permission]) -> bool {
    scope.resource_type.as_deref().is_none_or(|covered| covered == resource_type)
        && permissions.iter().any(|permission| scope.permissions.include(*permission))
}

/// Whether the boundary knows what is a patient's by the records that lead there, or that it leads to.
fn follows(asked: Asked<'_>, of: &str) -> bool {
    asked.parameters.entry(of).is_some_and(|entry| matches!(entry.boundary.rule, Rule::Provenance | Rule::Binary))
}

/// The constraint as criteria of a type, all of which must hold; else why it grants nothing, and whether that will
/// pass.
fn constraint(
    asked: Asked<'_>,
    of: &'static str,
    pairs: &[(String, String)],
) -> Result<Vec<Criterion>, (String, bool)> {
    let lasting = |reason: &str| Err((reason.to_owned(), false));
    if pairs.is_empty() {
        return Ok(Vec::new());
    }
    let (search, _) =
        Search::parse(asked.parameters, Some(of), pairs, Handling::Strict, asked.now).map_err(|error| {
            let for_now = error.issues.iter().any(|issue| issue.kind == IssueKind::NotIndexed);
            (error.to_string(), for_now)
        })?;
    // `_format` and `_pretty` are passed over by a search.
    let shapes = |name: &str| RESULT_PARAMETERS.contains(&name) || matches!(name, "_format" | "_pretty" | "_type");
    if search.criteria.is_empty()
        || pairs.iter().any(|(name, _)| shapes(name.split([':', '.']).next().unwrap_or_default()))
    {
        return lasting("what shapes results (_sort, _count, _include and their like) restricts nothing");
    }
    if !search.reached().is_empty() {
        return lasting("chains, _has and _list ask other resources, and a scope is decided by the resource itself");
    }
    if search.asks_own(asked.parameters) {
        return lasting(
            "a scope is decided by parameters of the standard and of its guides: whoever may write SearchParameters \
             would decide by others what the token reaches",
        );
    }
    if search.criteria.iter().any(Criterion::asks_for_words) {
        return lasting(
            "a scope is not decided by words, which anybody may write anywhere: :text, :code-text, _text and _content are \
             for searches; name the codes",
        );
    }
    Ok(search.criteria)
}

/// What meets all criteria of one of these.
fn either(mut alternatives: Vec<Vec<Criterion>>) -> Vec<Criterion> {
    if alternatives.len() <= 1 || alternatives.iter().any(Vec::is_empty) {
        let whole = alternatives.iter().position(Vec::is_empty).unwrap_or(0);
        return alternatives.swap_remove(whole);
    }
    // One value of one parameter each, as the scopes of US Core have it: one criterion with several values, which a
    // search walks by the index.
    let mut values = Vec::new();
    let mut first = None;
    for criteria in &alternatives {
        let [Criterion { code, negated: false, test: Test::Any(tests) }] = criteria.as_slice() else { break };
        if first.get_or_insert(*code) != code {
            break;
        }
        values.push(tests);
    }
    if let (true, Some(code)) = (values.len() == alternatives.len(), first) {
        let test = Test::Any(values.into_iter().flatten().cloned().collect());
        return vec![Criterion { code, negated: false, test }];
    }
    let filter = |test| Criterion { code: "_filter", negated: false, test };
    let all = alternatives.into_iter().map(|mut criteria| match criteria.len() {
        1 => criteria.swap_remove(0),
        _ => filter(Test::All(criteria)),
    });
    vec![filter(Test::OneOf(all.collect()))]
}

/// The boundary that needs no parts, where they come to that.
fn simple(parts: Vec<Part>) -> Boundary {
    let is_whole = |part: &Part| part.criteria.is_empty() && part.narrowed.is_empty();
    if parts.iter().any(|part| is_whole(part) && part.patient.is_none()) {
        return Boundary::Unrestricted;
    }
    match parts.as_slice() {
        [Part { patient: Some(patient), .. }] if parts.iter().all(is_whole) => Boundary::Patient(patient.clone()),
        _ => Boundary::Parts(parts.into()),
    }
}

impl Boundary {
    /// Of no type anything.
    pub fn nothing() -> Boundary {
        Boundary::Parts(Vec::new().into())
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Boundary::Parts(parts) if parts.is_empty())
    }

    /// The patient whose records alone these are.
    pub fn patient(&self) -> Option<&str> {
        match self {
            Boundary::Unrestricted => None,
            Boundary::Patient(patient) => Some(patient),
            Boundary::Parts(parts) => {
                let (first, rest) = parts.split_first()?;
                let patient = first.patient.as_deref()?;
                rest.iter().all(|part| part.patient.as_deref() == Some(patient)).then_some(patient)
            }
        }
    }

    /// What lies in both.
    pub fn and(&self, other: &Boundary) -> Boundary {
        let parts: Vec<Part> = match (self, other) {
            (one, other) if one == other => return one.clone(),
            (Boundary::Unrestricted, one) | (one, Boundary::Unrestricted) => return one.clone(),
            (Boundary::Patient(_), Boundary::Patient(_)) => Vec::new(),
            (Boundary::Patient(patient), Boundary::Parts(parts))
            | (Boundary::Parts(parts), Boundary::Patient(patient)) => {
                let same = parts.iter().filter(|part| part.patient.as_ref().is_none_or(|own| own == patient));
                same.map(|part| Part { patient: Some(patient.clone()), ..part.clone() }).collect()
            }
            (Boundary::Parts(parts), Boundary::Parts(others)) => {
                parts.iter().flat_map(|part| others.iter().filter_map(|other| part.and(other))).collect()
            }
        };
        simple(parts)
    }

    /// What is granted of several types, each by its own grant.
    pub fn over(grants: Vec<(&'static str, Boundary)>) -> Boundary {
        if let Some((_, first)) = grants.first()
            && !matches!(first, Boundary::Parts(_))
            && grants.iter().all(|(_, grant)| grant == first)
        {
            return first.clone();
        }
        let mut parts: Vec<Part> = Vec::new();
        // Types that are granted alike make one part: a wildcard's constraint is the same for all that have it.
        let mut add = |new: Part| {
            let same = |part: &&mut Part| {
                part.patient == new.patient && part.narrowed == new.narrowed && part.criteria == new.criteria
            };
            match parts.iter_mut().find(same) {
                Some(part) => part.types.extend(new.types),
                None => parts.push(new),
            }
        };
        let whole = |of, patient| Part { types: vec![of], patient, criteria: Vec::new(), narrowed: Vec::new() };
        for (of, grant) in grants {
            match grant {
                Boundary::Parts(own) => own.iter().cloned().for_each(&mut add),
                Boundary::Unrestricted => add(whole(of, None)),
                Boundary::Patient(patient) => add(whole(of, Some(patient))),
            }
        }
        Boundary::Parts(parts.into())
    }
}

impl Part {
    fn and(&self, other: &Part) -> Option<Part> {
        let types: Vec<&'static str> = self.types.iter().copied().filter(|of| other.types.contains(of)).collect();
        let patient = match (&self.patient, &other.patient) {
            (Some(one), Some(other)) if one != other => return None,
            (one, other) => one.as_ref().or(other.as_ref()).cloned(),
        };
        let criteria = self.criteria.iter().chain(&other.criteria).cloned().collect();
        let narrowed = self.narrowed.iter().chain(&other.narrowed).cloned().collect();
        (!types.is_empty()).then_some(Part { types, patient, criteria, narrowed })
    }
}

#[cfg(test)]
mod tests;
