//! What the machine does beside us: load, the disk's fsync rate, and what a process uses. Linux only: elsewhere the
//! figures are absent rather than guessed.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// The load average of the last minute.
pub(crate) fn load() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// How often a second the disk under `folder` makes a small append durable.
pub(crate) fn fsyncs_per_second(folder: &Path) -> std::io::Result<f64> {
    let path = folder.join("fsync-probe");
    let mut file = fs::File::create(&path)?;
    let (began, mut count) = (Instant::now(), 0u32);
    while began.elapsed() < Duration::from_secs(1) {
        file.write_all(&[0; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    fs::remove_file(path)?;
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

/// Memory that a process holds for itself (heap and stacks, not mapped files), in bytes.
pub(crate) fn anonymous_memory(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Anonymous:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// Processor time that a process has used, user and system.
pub(crate) fn processor_time(process: u32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may hold spaces.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    // Linux reports in hundredths of a second to user space, whatever its own tick.
    Some(Duration::from_millis(ticks * 10))
}

/// The bytes of all files below a folder.
pub(crate) fn disk_use(folder: &Path) -> std::io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += if metadata.is_dir() { disk_use(&entry.path())? } else { metadata.len() };
    }
    Ok(bytes)
}

/// The bytes of all tables of a PostgreSQL database, with their indexes.
pub(crate) fn postgres_disk_use(url: &str) -> Result<u64, Box<dyn std::error::Error>> {
    use sea_orm::ConnectionTrait;
    let sql = "SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class \
               WHERE relkind = 'r' AND relnamespace::regnamespace::text LIKE '%site_%'";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let bytes: i64 = runtime.block_on(async {
        let connection = sea_orm::Database::connect(url).await?;
        let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql);
        let row = connection.query_one_raw(statement).await?.ok_or(sea_orm::DbErr::RecordNotFound(sql.to_owned()))?;
        row.try_get_by_index(0)
    })?;
    Ok(bytes as u64)
}
