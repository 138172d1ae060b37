//! `cargo xtask conformance`: the conformance kit against Vesta on its demo data, on both databases, or against any
//! other FHIR server.

mod live;
pub(crate) mod vesta;

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use jiff::Timestamp;
use vesta_conformance::client::Server;
use vesta_conformance::data::Data;
use vesta_conformance::guide::Guides;
use vesta_conformance::party::Setup;
use vesta_conformance::report::{FILES, Report};
use vesta_conformance::run::{Options, Run};
use vesta_conformance::schema::Schema;
use vesta_conformance::suite::{self, Suite};

use crate::{Outcome, postgres, workspace};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The base of a FHIR server [default: builds Vesta, and starts it on demo data]
    #[arg(long)]
    url: Option<String>,
    /// An access token for that server, without `Bearer`
    #[arg(long, requires = "url")]
    token: Option<String>,
    /// The id of a patient of that server to judge by (may be repeated) [default: its first five]
    #[arg(long = "patient", value_name = "ID", requires = "url")]
    patients: Vec<String>,
    /// What was loaded into that server, which holds nothing else: a folder of NDJSON or JSON files [default: what the
    /// server returns for the patients]
    #[arg(long, value_name = "FOLDER", requires = "url", conflicts_with = "patients")]
    data: Option<PathBuf>,
    /// Who logs in to that server, what they do on its pages, and its clients: a TOML file, as conformance/README.md says
    #[arg(long, value_name = "FILE", requires = "url")]
    parties: Option<PathBuf>,
    /// Only suites whose name contains this (may be repeated)
    #[arg(long = "suite", value_name = "NAME")]
    suites: Vec<String>,
    /// Only tests whose id contains this (may be repeated)
    #[arg(long = "test", value_name = "ID")]
    tests: Vec<String>,
    /// Only on this database
    #[arg(long, value_enum, conflicts_with = "url")]
    database: Option<Database>,
    /// Requests at the same time
    #[arg(long, default_value_t = 8)]
    workers: usize,
    /// The official JSON Schema of R4, to check answers by: `fhir.schema.json`, gzipped or not [default: that of the
    /// folder `shared` beside the repository, if it is there]
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// Where the reports go: JSON, JUnit and HTML
    #[arg(long, value_name = "FOLDER", default_value = "target/conformance")]
    reports: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Database {
    Sqlite,
    Postgresql,
}

/// What every run of one command has in common.
struct Kit {
    args: Args,
    suites: Vec<Suite>,
    guides: Guides,
    schema: Option<Schema>,
}

pub(crate) fn run(args: Args) -> Outcome {
    let suites = suite::load(std::path::Path::new(suite::FOLDER))?;
    let guides = Guides::read(&workspace::root().join("spec"))?;
    let schema = schema(&args)?;
    let kit = Kit { args, suites, guides, schema };
    match &kit.args.url {
        Some(url) => {
            let server = Server::new(url, kit.args.token.clone());
            let data = match &kit.args.data {
                Some(folder) => Data::from_folder(folder)?,
                // Those that write look at what they made, and at nothing else.
                None if kit.suites.iter().filter(|suite| kit.is_chosen(suite)).all(|suite| suite.writes) => {
                    Data::default()
                }
                None => {
                    println!("reading the patients of {url}");
                    Data::read_from(&server, &kit.suites, &kit.args.patients)?
                }
            };
            let setup = kit.args.parties.as_deref().map(Setup::read).transpose()?;
            kit.judge(&server, &data, setup.as_ref(), "", false)
        }
        None => kit.own(),
    }
}

fn schema(args: &Args) -> Outcome<Option<Schema>> {
    let beside = || {
        let shared = workspace::root().ancestors().skip(1).map(|folder| folder.join("shared")).collect::<Vec<_>>();
        let files = shared.into_iter().map(|shared| shared.join("testdata/fhir.schema-4.0.1.json.gz"));
        files.into_iter().find(|file| file.is_file())
    };
    match args.schema.clone().or_else(beside) {
        Some(path) => Ok(Some(Schema::read(&path)?)),
        None => {
            println!("answers are not checked by the JSON Schema of R4: name its file with --schema");
            Ok(None)
        }
    }
}

impl Kit {
    /// Whether the suite is one of those asked for; all are, if none was.
    fn is_chosen(&self, suite: &Suite) -> bool {
        let names = &self.args.suites;
        names.is_empty() || names.iter().any(|name| suite.name.contains(name.as_str()))
    }

    /// Vesta, freshly built, on each database. Nothing may fail or be skipped.
    fn own(&self) -> Outcome {
        let binary = vesta::build()?;
        let resources: Vec<_> = vesta_demo::clinic(vesta_demo::SEED).collect();
        let data = Data::loaded(resources.iter().cloned());
        let mut failed = Vec::new();
        for database in [Database::Sqlite, Database::Postgresql] {
            if self.args.database.is_some_and(|only| only != database) {
                continue;
            }
            let (title, postgres) = match database {
                Database::Sqlite => ("SQLite", None),
                Database::Postgresql => {
                    println!("starting a PostgreSQL");
                    ("PostgreSQL", Some(postgres::start()?))
                }
            };
            println!("starting Vesta on {title} with {} demo resources", resources.len());
            let vesta = vesta::start(&binary, &resources, postgres.as_ref().map(|postgres| postgres.url.as_str()))?;
            let server = Server::new(&vesta.base, Some(vesta.token.clone()));
            if let Err(error) = self.judge(&server, &data, Some(&vesta.setup), title, true) {
                eprintln!("{error}");
                failed.push(title);
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(format!("not all tests passed on {}", failed.join(" and ")).into()) }
    }

    /// Runs the suites, shows how they go, and writes the reports.
    #[allow(clippy::disallowed_methods, reason = "the report says when it was made")]
    fn judge(&self, server: &Server, data: &Data, setup: Option<&Setup>, title: &str, strict: bool) -> Outcome {
        let Args { suites, tests, workers, .. } = &self.args;
        // Records are made on our own server, and on another where a suite that makes them was asked for by its name.
        let may_write = self.args.url.is_none() || !suites.is_empty();
        let mark = may_write.then(|| format!("{}", Timestamp::now().as_second()));
        let options = Options { suites: suites.clone(), tests: tests.clone(), workers: *workers, mark };
        let (suites, guides, schema) = (&self.suites, &self.guides, self.schema.as_ref());
        let run = Run { server, data, suites, guides, schema, setup, options };
        let (started, began) = (Timestamp::now(), Instant::now());
        let live = live::Table::new(&run.tests());
        let tested = run.run(|tested| live.add(tested));
        let report =
            Report { server: server.base.clone(), title: title.to_owned(), started, took: began.elapsed(), tested };
        live.finish(&report);
        let folder = workspace::root().join(&self.args.reports).join(title.to_lowercase());
        report.write(&folder)?;
        let [_, _, page] = FILES;
        println!("the report is {}", folder.join(page).display());
        let counts = report.counts();
        if counts.all() == 0 {
            return Err("no test has that name".into());
        }
        if report.is_good(strict) {
            return Ok(());
        }
        Err(format!("{} tests failed and {} were skipped", counts.failed, counts.skipped).into())
    }
}
