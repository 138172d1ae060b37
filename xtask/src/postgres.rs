//! A throwaway PostgreSQL: found or installed, started in a temporary folder on a free port, and gone afterwards,
//! also when the task fails or is stopped.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::debian::{self, is_root};
use crate::{Outcome, workspace};

/// Who owns the cluster's files inside it; there is no password, since it listens on the loopback address only.
const SUPERUSER: &str = "vesta";
const START_LIMIT: Duration = Duration::from_secs(60);

/// Nothing is synced: quick, and enough for tests, which never pull the machine's plug.
const SETTINGS: [&str; 5] = [
    "listen_addresses=127.0.0.1",
    "max_connections=300",
    "fsync=off",
    "full_page_writes=off",
    "log_min_messages=fatal",
];

static RUNNING: Mutex<Option<Cluster>> = Mutex::new(None);

struct Cluster {
    server: Child,
    folder: TempDir,
}

/// The guard of the running cluster: dropped, it stops the cluster and removes its folder.
pub(crate) struct Postgres {
    pub(crate) url: String,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        stop_running();
    }
}

/// Starts a cluster. Call it from the main thread: on Linux the server is told to end when the thread that started it
/// does, so that not even SIGKILL leaves it behind.
pub(crate) fn start() -> Outcome<Postgres> {
    let programs = match find() {
        Some(programs) => programs,
        None => {
            install()?;
            find().ok_or("PostgreSQL was installed, but no folder with `initdb` and `postgres` was found")?
        }
    };
    let folder = tempfile::Builder::new().prefix("vesta-postgres-").tempdir()?;
    let user = User::unprivileged()?;
    if let Some(user) = &user {
        chown(folder.path(), Some(user.id), Some(user.group))?;
    }
    let data = folder.path().join("data");

    let mut initdb = as_user(user.as_ref(), &programs.join("initdb"));
    initdb.arg("--pgdata").arg(&data).args(["--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8"]);
    initdb.args(["--locale", "C", "--no-sync"]).current_dir(folder.path());
    workspace::output(initdb)?;

    let port = free_port()?;
    let mut server = as_user(user.as_ref(), &programs.join("postgres"));
    server.arg("-D").arg(&data).args(["-p", &port.to_string()]);
    for setting in SETTINGS {
        server.args(["-c", setting]);
    }
    server.arg("-c").arg(format!("unix_socket_directories={}", folder.path().display()));
    let log = fs::File::create(folder.path().join("log"))?;
    server.current_dir(folder.path()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    let server = server.spawn()?;
    let log = folder.path().join("log");
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = Some(Cluster { server, folder });

    let postgres = Postgres { url: format!("postgres://{SUPERUSER}@127.0.0.1:{port}/postgres") };
    let started = Instant::now();
    loop {
        let mut ready = Command::new(programs.join("pg_isready"));
        ready.args(["--quiet", "--host", "127.0.0.1", "--port", &port.to_string()]);
        if ready.status()?.success() {
            return Ok(postgres);
        }
        let ended = RUNNING
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_mut()
            .is_none_or(|cluster| cluster.server.try_wait().is_ok_and(|status| status.is_some()));
        if ended || started.elapsed() > START_LIMIT {
            let said = fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("PostgreSQL did not start; its log says:\n{}", said.trim()).into());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Stops the running cluster, if there is one.
pub(crate) fn stop_running() {
    // The lock is kept to the end: whoever else stops it must not end the process meanwhile.
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(mut cluster) = running.take() else { return };
    // SIGINT is PostgreSQL's fast shutdown; killed outright, it would leave its shared memory behind.
    let _ = Command::new("kill").args(["-INT", &cluster.server.id().to_string()]).status();
    let asked = Instant::now();
    while cluster.server.try_wait().is_ok_and(|status| status.is_none()) {
        if asked.elapsed() > Duration::from_secs(10) {
            let _ = cluster.server.kill();
            let _ = cluster.server.wait();
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(cluster.folder);
}

/// The folder with the programs: that of PATH, else Debian's newest.
fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A program on the PATH may be a link into the folder that has all of them.
    let on_path = std::env::split_paths(&path)
        .filter_map(|folder| fs::canonicalize(folder.join("initdb")).ok())
        .filter_map(|program| program.parent().map(Path::to_path_buf));
    let mut debian: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    debian.sort_by(|one, other| other.cmp(one));
    on_path
        .chain(debian.into_iter().map(|(_, folder)| folder))
        .find(|folder| ["initdb", "postgres", "pg_isready"].iter().all(|program| folder.join(program).is_file()))
}

/// Installs PostgreSQL where that is ours to do.
fn install() -> Outcome {
    debian::install(
        "PostgreSQL",
        &["postgresql"],
        "PostgreSQL 13 or newer is needed for the tests: install the package that has `initdb` and `postgres` (Debian: \
         `apt-get install postgresql`, Fedora: `dnf install postgresql-server`, macOS: `brew install postgresql`) and put \
         their folder on the PATH",
    )
}

struct User {
    name: String,
    id: u32,
    group: u32,
}

impl User {
    /// PostgreSQL refuses to run as root: then it runs as its own user, or as nobody.
    fn unprivileged() -> Outcome<Option<Self>> {
        if !is_root()? {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let user = |wanted: &str| {
            users.lines().find_map(|line| {
                let fields: Vec<&str> = line.split(':').collect();
                (fields.first() == Some(&wanted)).then_some(())?;
                let number = |field: usize| fields.get(field)?.parse().ok();
                Some(Self { name: wanted.into(), id: number(2)?, group: number(3)? })
            })
        };
        let found = user("postgres").or_else(|| user("nobody"));
        Ok(Some(found.ok_or("PostgreSQL does not run as root, and there is no user `postgres` or `nobody`")?))
    }
}

/// The program as the user, by what the system has for that.
fn as_user(user: Option<&User>, program: &Path) -> Command {
    let has_setpriv = ["/usr/bin/setpriv", "/bin/setpriv"].iter().any(|path| Path::new(path).exists());
    match user {
        _ if has_setpriv => {
            let mut command = Command::new("setpriv");
            if let Some(user) = user {
                command
                    .arg(format!("--reuid={}", user.id))
                    .arg(format!("--regid={}", user.group))
                    .arg("--clear-groups");
            }
            command.args(["--pdeathsig", "INT", "--"]).arg(program);
            command
        }
        Some(user) => {
            let mut command = Command::new("runuser");
            command.args(["-u", &user.name, "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// A port that nobody listens on, as far as one can know.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
