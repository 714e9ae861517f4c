//! The firmware, built by Debian's compiler, and the board that runs it.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Fault;

/// What has to be installed: rustup's compiler has no library for the board, and build-std wants the library's sources
/// of exactly the compiler's version.
const PACKAGES: [&str; 6] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22", "qemu-system-arm"];

/// What QEMU emulates.
const MACHINE: [&str; 4] = ["-machine", "mps2-an386", "-cpu", "cortex-m4"];

/// A running board. It is switched off when this is dropped.
pub(crate) struct Board {
    qemu: Child,
    /// Where its UART is.
    pub(crate) uart: SocketAddr,
}

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// Builds the firmware; where it is.
pub(crate) fn build() -> Result<PathBuf, Fault> {
    install()?;
    let firmware = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("no folder above")?.join("firmware");
    // The compiler is another than the one that runs this, which has told its children of itself.
    let mut cargo = Command::new("/usr/bin/cargo");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO") || name.starts_with("RUST")) {
        if name != "CARGO_HOME" {
            cargo.env_remove(name);
        }
    }
    cargo.current_dir(&firmware).env("RUSTC", "/usr/bin/rustc").env("RUSTC_BOOTSTRAP", "1");
    succeed(cargo.args(["build", "--release", "--locked", "--quiet"]))?;
    Ok(firmware.join("target/thumbv7em-none-eabihf/release/razor-firmware"))
}

/// Starts a board with this firmware.
pub(crate) fn start(image: &Path) -> Result<Board, Fault> {
    // QEMU does not say which port it has taken, so it is told one that was free a moment ago.
    let uart = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let serial = format!("tcp:{uart},server=on,wait=on,nodelay=on");
    let log = File::create(image.with_extension("log"))?;
    let mut qemu = Command::new("qemu-system-arm");
    qemu.args(MACHINE).args(["-display", "none", "-monitor", "none", "-nic", "none", "-serial", &serial, "-kernel"]);
    let qemu = qemu.arg(image).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?;
    Ok(Board { qemu, uart })
}

/// Installs what is missing.
fn install() -> Result<(), Fault> {
    let quiet = |command: &mut Command| command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    if quiet(Command::new("dpkg").arg("-s").args(PACKAGES))?.success() {
        return Ok(());
    }
    succeed(Command::new("apt-get").args(["update", "-qq"]))?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["install", "-y", "-qq", "--no-install-recommends"]);
    succeed(install.args(PACKAGES))
}

fn succeed(command: &mut Command) -> Result<(), Fault> {
    let status = command.status().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
