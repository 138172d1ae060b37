//! The binary `vesta`: see [`vesta_server::cli`].

use std::process::ExitCode;

/// What a request allocates on one thread is freed on another, with its audit entry.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    vesta_server::cli::main()
}
