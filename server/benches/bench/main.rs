//! `cargo xtask bench`: Vesta under load, beside the limits of the machine in the same run.
//!
//! A release server in a process of its own, a load tool in another, generated records, real tokens, audit on. Right
//! answers are checked before any rate is taken. Each rate is the median of three runs. Figures say something about
//! one another in one run, and little across machines.

mod bare;
mod data;
mod load;
mod machine;
mod pgbench;
mod pieces;
mod plans;
mod report;
mod scenarios;
mod server;
mod static_answer;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::Parser;

use load::Run;
use report::{Line, Report};
use scenarios::{Limit, Scenario};
use server::Server;

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[derive(Parser)]
struct Args {
    /// Patients to generate, with 300 observations each
    #[arg(long, default_value_t = 1_000)]
    patients: usize,
    /// Seconds of each run; each scenario runs three times
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    #[arg(long, default_value_t = 32)]
    connections: u32,
    /// An empty database of a PostgreSQL, to use instead of SQLite
    #[arg(long)]
    database: Option<String>,
    /// Measure creates once more when this many resources are there (500000, say): more are imported for it
    #[arg(long)]
    resources: Option<usize>,
    /// Run only the scenarios whose name contains this
    #[arg(long)]
    only: Option<String>,
    /// Keep the generated records and the database in this folder, and use what is there
    #[arg(long)]
    keep: Option<PathBuf>,
    /// Another vesta binary than the one just built
    #[arg(long, default_value = env!("CARGO_BIN_EXE_vesta"))]
    binary: PathBuf,
    /// Where the JSON goes
    #[arg(long, default_value = concat!(env!("CARGO_TARGET_TMPDIR"), "/bench.json"))]
    json: PathBuf,
    /// Serve poem's static answer (the benchmark starts itself so)
    #[arg(long, hide = true)]
    static_answer: Option<String>,
    /// Cargo says this of every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.static_answer {
        Some(address) => static_answer::serve(address).map(|()| true),
        None => run(&args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was found wrong. A finding stops nothing: it stands in the table.
fn run(args: &Args) -> Outcome<bool> {
    load::require()?;
    let scratch = tempfile::tempdir()?;
    let folder = args.keep.clone().unwrap_or_else(|| scratch.path().to_owned());
    let data = folder.join("data");
    let fresh = !data.exists();
    std::fs::create_dir_all(&data)?;
    let mut report = Report {
        database: if args.database.is_some() { "PostgreSQL" } else { "SQLite" }.to_owned(),
        patients: args.patients,
        load_before: machine::load(),
        fsyncs_per_second: machine::fsyncs_per_second(&folder)?,
        ..Report::default()
    };
    println!("writing the records of {} patients", args.patients);
    let (files, resources) = data::write(&folder.join("records"), args.patients)?;
    report.resources = resources;

    let address = match kept_address(&data) {
        Some(address) => address,
        None => server::free_address()?,
    };
    let mut server = Server::start(&args.binary, &address, &data, args.database.as_deref())?;
    report.fact("ready after", server.ready_after.as_secs_f64(), "s");
    if let Some(memory) = machine::anonymous_memory(server.id()) {
        report.fact("anonymous memory idle", memory as f64 / 1e6, "MB");
    }
    if fresh {
        let stored = server.get("/apis/default/fhir/?_summary=count", &server.token("system/*.cruds")?)?;
        if stored["total"] != 0 {
            return Err("the database has records already: give an empty one with --database".into());
        }
        drop(server);
        let imported = import(args, &data, &files, &folder, &mut report);
        report.step("import", imported);
        server = Server::start(&args.binary, &address, &data, args.database.as_deref())?;
    }
    let token = server.token("system/*.cruds")?;
    report.step("right answers", check_answers(&server, &token, args.patients));

    let wanted = |scenario: &Scenario| args.only.as_ref().is_none_or(|only| scenario.name.contains(only.as_str()));
    let reads: Vec<Scenario> = scenarios::reads(args.patients).into_iter().filter(wanted).collect();
    drop(server);
    pieces::tokens(&mut report)?;
    let bare = bare_statements(args, &data, &reads, &mut report)?;
    let server = Server::start(&args.binary, &address, &data, args.database.as_deref())?;

    let answers = StaticAnswer::start()?;
    for (scenario, statements) in reads.iter().zip(bare) {
        // Each beside its limit, so that both meet the same machine.
        let limit = match (scenario.limit, &args.database) {
            (Limit::StaticAnswer, _) => Some(median(args, &answers.base, scenario, "", &folder)?.rate()),
            (Limit::BareStatement, None) => {
                let time = std::time::Duration::from_secs(args.seconds.into());
                Some(bare::reads(&database_file(&data)?, &statements, time)?)
            }
            (Limit::BareStatement, Some(url)) => Some(pgbench::reads(url, &statements, args.seconds, &folder)?),
            (Limit::Scenario(name), _) => report.lines.iter().find(|line| line.name == name).map(|line| line.rate),
            (Limit::None, _) => None,
        };
        let line = measure(args, &server, scenario, &token, limit, &folder);
        report.line(scenario.name, line);
    }
    drop(answers);
    for scenario in [scenarios::creates(args.patients), scenarios::nine_types()].into_iter().filter(wanted) {
        let line = measure(args, &server, &scenario, &token, None, &folder);
        report.line(scenario.name, line);
    }
    if args.only.is_none() {
        let measured = beside_import(args, &server, &data, &token, &folder, &mut report);
        report.step("import beside clients", measured);
    }
    if let Some(resources) = args.resources {
        let measured = at_size(args, &server, &data, &token, &folder, resources, &mut report);
        report.step("creates at size", measured);
    }
    if let Some(memory) = machine::anonymous_memory(server.id()) {
        report.fact("anonymous memory at work", memory as f64 / 1e6, "MB");
    }
    report.fact("binary", std::fs::metadata(&args.binary)?.len() as f64 / 1e6, "MB");
    report.load_after = machine::load();
    report.print();
    std::fs::write(&args.json, serde_json::to_string_pretty(&report)?)?;
    println!("\nas JSON: {}", args.json.display());
    Ok(report.findings.is_empty())
}

/// What a site's data take on the disk.
fn disk_use(args: &Args, data: &Path) -> Outcome<u64> {
    match &args.database {
        Some(url) => machine::postgres_disk_use(url),
        None => Ok(machine::disk_use(data)?),
    }
}

/// Bytes of disk that a resource may take, history and index included.
const DISK_SQLITE: f64 = 3_584.0;
const DISK_POSTGRES: f64 = 5_120.0;

/// Imports the records, and on SQLite inserts the same rows bare.
fn import(args: &Args, data: &Path, files: &[PathBuf], folder: &Path, report: &mut Report) -> Outcome {
    println!("importing {} resources", report.resources);
    let before = disk_use(args, data)?;
    let took = server::import(&args.binary, data, args.database.as_deref(), files)?;
    let rate = report.resources as f64 / took.as_secs_f64();
    report.fact("import of NDJSON", rate, "resources/s");
    let used = (disk_use(args, data)?.saturating_sub(before)) as f64 / report.resources as f64;
    report.fact("disk a resource", used, "bytes");
    let most = if args.database.is_some() { DISK_POSTGRES } else { DISK_SQLITE };
    if used > most {
        report.finding(format!("a resource takes {used:.0} bytes of disk, at most {most:.0} are meant"));
    }
    if args.database.is_some() {
        return Ok(());
    }
    let bare = bare::inserts(&database_file(data)?, &folder.join("bare.sqlite"), 60_000)?;
    report.fact("bare inserts of the same rows", bare, "resources/s");
    report.fact("import's share of bare inserts", 100.0 * rate / bare, "%");
    Ok(())
}

/// Bundles imported alone, then more of them beside clients that write: how much of their rate these keep.
fn beside_import(
    args: &Args,
    server: &Server,
    data: &Path,
    token: &str,
    folder: &Path,
    report: &mut Report,
) -> Outcome {
    let database = args.database.as_deref();
    let (files, resources) = data::write_bundles(&folder.join("bundles"), args.patients, 100)?;
    let took = server::import(&args.binary, data, database, &files)?;
    report.fact("import of Bundles", resources as f64 / took.as_secs_f64(), "resources/s");

    let creates = scenarios::creates(args.patients);
    let alone = load::run(&server.base, &creates.requests, token, args.connections, args.seconds, folder)?;
    // Enough of them to last longer than the clients write.
    let (files, resources) = data::write_bundles(&folder.join("more"), args.patients + 100, 200)?;
    let (beside, took) = std::thread::scope(|scope| {
        let import =
            scope.spawn(|| server::import(&args.binary, data, database, &files).map_err(|error| error.to_string()));
        std::thread::sleep(std::time::Duration::from_millis(500));
        let beside = load::run(&server.base, &creates.requests, token, args.connections, args.seconds, folder);
        (beside, import.join())
    });
    let beside = beside?;
    let (share, p99) = (100.0 * beside.rate() / alone.rate(), beside.p99 as f64 / 1_000.0);
    report.fact("creates alone", alone.rate(), "per s");
    report.fact("creates beside an import", beside.rate(), "per s");
    report.fact("their share", share, "%");
    report.fact("p99 of creates beside an import", p99, "ms");
    if share < 50.0 || p99 > 200.0 {
        report.finding(format!(
            "beside an import clients keep {share:.0} % of their rate at a p99 of {p99:.0} ms: half and 200 ms are meant"
        ));
    }
    if beside.refused + beside.broken > 0 {
        report.finding(format!("beside an import {} creates were refused", beside.refused + beside.broken));
    }
    let took = took.map_err(|_| "the import panicked")??;
    report.fact("that import, clients and all", resources as f64 / took.as_secs_f64(), "resources/s");
    Ok(())
}

/// Creates when so many resources are there.
fn at_size(
    args: &Args,
    server: &Server,
    data: &Path,
    token: &str,
    folder: &Path,
    resources: usize,
    report: &mut Report,
) -> Outcome {
    let missing = resources.saturating_sub(report.resources).div_ceil(data::OBSERVATIONS + 1);
    println!("importing {missing} more patients");
    let first = args.patients + 1_000;
    // A few hundred files at a time: they take more room than the database.
    for some in (first..first + missing).collect::<Vec<_>>().chunks(300) {
        let part = folder.join("size");
        let (files, _) = data::write_bundles(&part, some[0], some.len())?;
        server::import(&args.binary, data, args.database.as_deref(), &files)?;
        std::fs::remove_dir_all(part)?;
    }
    let scenario = Scenario { name: "creates at that size", ..scenarios::creates(args.patients) };
    let line = measure(args, server, &scenario, token, None, folder);
    report.line(scenario.name, line);
    Ok(())
}

/// The statements of those scenarios that are held against them, made while no server runs.
fn bare_statements(
    args: &Args,
    data: &Path,
    reads: &[Scenario],
    report: &mut Report,
) -> Outcome<Vec<Vec<plans::Statements>>> {
    let plans = plans::Plans::open(data, args.database.as_deref())?;
    let most = if args.database.is_some() { pgbench::MOST } else { usize::MAX };
    let mut all = Vec::new();
    for scenario in reads {
        let bare = scenario.limit == Limit::BareStatement;
        if scenario.name == scenarios::BY_CATEGORY {
            report.fact("a query read and planned", pieces::micros(plans.planning(&scenario.requests)?), "µs");
        }
        all.push(if bare { plans.of(&scenario.requests, most)? } else { Vec::new() });
    }
    Ok(all)
}

/// The address that kept records were made under: under another one their references would be indexed anew.
fn kept_address(data: &Path) -> Option<String> {
    let url = std::fs::read_to_string(data.join("sites/default/public_url")).ok()?;
    let address = url.trim().strip_prefix("http://")?;
    Some(address.replace("localhost", "127.0.0.1"))
}

/// The SQLite file of the default site.
fn database_file(data: &Path) -> Outcome<PathBuf> {
    let folder = data.join("sites").join("default");
    for entry in std::fs::read_dir(&folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sqlite" || extension == "db") {
            return Ok(path);
        }
    }
    Err(format!("no database in {}", folder.display()).into())
}

fn check_answers(server: &Server, token: &str, patients: usize) -> Outcome {
    for (path, expected) in scenarios::expectations(patients) {
        let bundle = server.get(&path, token)?;
        let total = bundle["total"].as_u64();
        if total != Some(expected) {
            return Err(format!("{path} answers total {total:?}, and the records have {expected}").into());
        }
    }
    Ok(())
}

fn measure(
    args: &Args,
    server: &Server,
    scenario: &Scenario,
    token: &str,
    limit: Option<f64>,
    folder: &Path,
) -> Outcome<Line> {
    let before = machine::processor_time(server.id());
    let run = median(args, &server.base, scenario, token, folder)?;
    let after = machine::processor_time(server.id());
    let seconds = f64::from(args.seconds * 3);
    let server_processors = before.zip(after).map(|(before, after)| (after - before).as_secs_f64() / seconds);
    println!("  {}: {:.0}/s", scenario.name, run.rate());
    Ok(Line { name: scenario.name.to_owned(), rate: run.rate(), run, limit, server_processors })
}

/// The run with the median rate of three.
fn median(args: &Args, base: &str, scenario: &Scenario, token: &str, folder: &Path) -> Outcome<Run> {
    let mut runs = (0..3)
        .map(|_| load::run(base, &scenario.requests, token, args.connections, args.seconds, folder))
        .collect::<Outcome<Vec<Run>>>()?;
    runs.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    Ok(runs.swap_remove(1))
}

/// poem's static answer, in a process of its own.
struct StaticAnswer {
    process: std::process::Child,
    base: String,
}

impl StaticAnswer {
    fn start() -> Outcome<Self> {
        let address = server::free_address()?;
        let binary = std::env::current_exe()?;
        let process = Command::new(binary).args(["--static-answer", &address]).spawn()?;
        std::thread::sleep(std::time::Duration::from_millis(500));
        Ok(StaticAnswer { process, base: format!("http://{address}") })
    }
}

impl Drop for StaticAnswer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
