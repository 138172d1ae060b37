//! The words of resources: one row for the narrative of each and one for all it says, in the full-text index of the
//! database. On SQLite FTS5, which keeps nothing but the index; on PostgreSQL a table of text with an index of lexemes.
//!
//! Each row has, beside its words, the number of the parameter that it belongs to, behind a sign that no word has: so
//! rows of one type are found, and those of two extractors never mix. What the words are is `search`'s to say: the
//! databases part them at spaces only.

use sea_orm::DbBackend;
use sea_orm::sea_query::{Alias, BinOper, Expr, ExprTrait, Func};

use super::tables::{Column, IndexTable};
use crate::search::Words;

const SIGN: char = '§';

/// The text of a row.
pub(super) fn text(parameter: i32, words: impl IntoIterator<Item = String>) -> String {
    let mut text = format!("{SIGN}{parameter}");
    for word in words {
        text.push(' ');
        text.push_str(&word);
    }
    text
}

/// The tables, without a schema's name.
pub fn tables(backend: DbBackend) -> Vec<String> {
    let table = |name: &str| match backend {
        DbBackend::Postgres => format!(
            "CREATE TABLE {name} (rowid bigint PRIMARY KEY, words text NOT NULL); \
             CREATE INDEX {name}_words ON {name} USING gin (array_to_tsvector(string_to_array(words, ' ')))"
        ),
        // Of letters only those of ASCII are looked at by this tokenizer, and words come without others between them.
        _ => format!(
            "CREATE VIRTUAL TABLE {name} USING fts5(words, content='', contentless_delete=1, detail=none, \
             tokenize='ascii')"
        ),
    };
    ["index_narrative", "index_content"].map(table).into()
}

/// Whether a row of the table belongs to one of these parameters and has the words.
pub(crate) fn matching(
    backend: DbBackend,
    row: &'static str,
    table: IndexTable,
    parameters: &[i32],
    words: Option<&Words>,
) -> Expr {
    let language = if backend == DbBackend::Postgres { &POSTGRES } else { &SQLITE };
    let of = parameters.iter().map(|parameter| language.word(&format!("{SIGN}{parameter}")));
    let mut text = language.joined(of.collect(), language.or);
    if let Some(words) = words {
        text = language.joined(vec![text, language.written(words)], language.and);
    }
    if backend == DbBackend::Postgres {
        let parted =
            Func::cust(Alias::new("string_to_array")).arg(Expr::col((row, Column::Words))).arg(Expr::cust("' '"));
        let lexemes = Expr::from(Func::cust(Alias::new("array_to_tsvector")).arg(parted));
        return lexemes.binary(BinOper::Custom("@@"), Expr::val(text).cast_as(Alias::new("tsquery")));
    }
    // FTS5's tables have a column of their own name to be asked by.
    Expr::col((row, table)).binary(BinOper::Custom("MATCH"), text)
}

/// How a database's language of words writes them.
struct Language {
    quote: char,
    and: &'static str,
    or: &'static str,
}

const SQLITE: Language = Language { quote: '"', and: " AND ", or: " OR " };
const POSTGRES: Language = Language { quote: '\'', and: " & ", or: " | " };

impl Language {
    fn word(&self, word: &str) -> String {
        format!("{0}{word}{0}", self.quote)
    }

    fn joined(&self, parts: Vec<String>, with: &str) -> String {
        format!("({})", parts.join(with))
    }

    fn written(&self, words: &Words) -> String {
        let each = |parts: &[Words]| parts.iter().map(|part| self.written(part)).collect();
        match words {
            Words::Word(word) => self.word(word),
            Words::All(parts) => self.joined(each(parts), self.and),
            Words::Any(parts) => self.joined(each(parts), self.or),
        }
    }
}
