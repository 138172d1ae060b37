//! The binary `vesta`: see [`vesta_server::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    vesta_server::cli::main()
}
