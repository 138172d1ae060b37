//! How the database would run a statement, for operators: nothing of what it would find.

use sea_orm::sea_query::{PostgresQueryBuilder, SelectStatement, SqliteQueryBuilder};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::Value;

use super::columns::Columns;
use super::error::StoreError;
use super::site_store::Store;

/// A statement as it is prepared, and the steps of its plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    pub sql: String,
    /// The types of the values, in the order of their places in the text. The values may be of a patient.
    pub values: Vec<&'static str>,
    /// Indented by their depth.
    pub steps: Vec<String>,
}

impl Store {
    pub async fn explain(&self, statement: &SelectStatement) -> Result<Explained, StoreError> {
        let (connection, backend) = (&self.context.connection, self.backend());
        let (sql, values) = match backend {
            DbBackend::Postgres => statement.build(PostgresQueryBuilder),
            _ => statement.build(SqliteQueryBuilder),
        };
        let kinds = values.iter().map(kind).collect();
        let how = if backend == DbBackend::Postgres { "EXPLAIN (FORMAT JSON)" } else { "EXPLAIN QUERY PLAN" };
        let asked = Statement::from_sql_and_values(backend, format!("{how} {sql}"), values);
        let rows = connection.query_all_raw(asked).await?;
        let mut steps = Vec::new();
        if backend == DbBackend::Postgres {
            for row in &rows {
                let plan: Value = row.try_get_by_index(0)?;
                steps_of(&plan[0]["Plan"], 0, &mut steps);
            }
        } else {
            // A step's number, that of the step it is of, and what it does, with `?` for values.
            let mut depths = std::collections::HashMap::new();
            for row in &rows {
                let (id, parent): (i32, i32) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
                let depth = depths.get(&parent).map_or(0, |depth: &usize| depth + 1);
                depths.insert(id, depth);
                steps.push(format!("{}{}", "  ".repeat(depth), row.text(3)?));
            }
        }
        Ok(Explained { sql, values: kinds, steps })
    }
}

fn kind(value: &sea_orm::Value) -> &'static str {
    match value {
        sea_orm::Value::Bool(_) => "boolean",
        sea_orm::Value::String(_) => "text",
        sea_orm::Value::Bytes(_) => "bytes",
        sea_orm::Value::Float(_) | sea_orm::Value::Double(_) => "real",
        _ => "integer",
    }
}

/// PostgreSQL's plan without its conditions, which repeat the values.
fn steps_of(plan: &Value, depth: usize, steps: &mut Vec<String>) {
    let text = |name: &str| plan[name].as_str().map(str::to_owned);
    let mut step = format!("{}{}", "  ".repeat(depth), text("Node Type").unwrap_or_default());
    for (name, word) in [("Join Type", "join"), ("Index Name", "using"), ("Relation Name", "on"), ("Alias", "as")] {
        step.extend(text(name).map(|value| format!(" {word} {value}")));
    }
    for (name, word) in [("Plan Rows", "rows"), ("Total Cost", "cost")] {
        step.extend(plan[name].as_f64().map(|value| format!(" {word}={value}")));
    }
    steps.push(step);
    plan["Plans"].as_array().into_iter().flatten().for_each(|inner| steps_of(inner, depth + 1, steps));
}
