//! The firmware, built by Debian's compiler, and the board that runs it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::Fault;

/// What has to be installed: rustup's compiler has no library for the board, and build-std wants the library's sources
/// of exactly the compiler's version.
const PACKAGES: [&str; 6] = ["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm", "lld-22", "qemu-system-arm"];

/// What QEMU emulates.
const MACHINE: [&str; 4] = ["-machine", "mps2-an386", "-cpu", "cortex-m4"];

/// The instructions of a tick of the board's clock, which has 25 MHz.
pub(crate) const TICK: u64 = 40;

/// A running board. It is switched off when this is dropped.
pub(crate) struct Board(Child);

impl Drop for Board {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One of the firmware's feature sets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Image {
    pub(crate) name: &'static str,
    /// Empty for none.
    features: &'static str,
}

impl Image {
    pub(crate) const ALL: Self = Self { name: "all", features: "all" };
    pub(crate) const RESPONDER: Self = Self { name: "channel responder", features: "responder" };
    pub(crate) const ROUTING: Self = Self { name: "routing only", features: "" };

    /// Whether it has a listener for secure channels.
    pub(crate) fn has_channels(self) -> bool {
        !self.features.is_empty()
    }

    /// Whether it opens channels itself.
    pub(crate) fn begins_channels(self) -> bool {
        self.features == "all"
    }

    /// The bytes of a large payload that its line carries.
    pub(crate) fn largest(self) -> usize {
        if self.begins_channels() { 3_000 } else { 1_500 }
    }

    /// Builds the firmware; where it is.
    pub(crate) fn build(self) -> Result<PathBuf, Fault> {
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
        cargo.args(["build", "--release", "--locked", "--quiet", "--no-default-features", "--features", self.features]);
        succeed(&mut cargo)?;
        // The next image is built in the same place.
        let built = firmware.join("target/thumbv7em-none-eabihf/release/razor-firmware");
        let image = built.with_file_name(format!("razor-firmware-{}", self.name.replace(' ', "-")));
        fs::copy(built, &image)?;
        Ok(image)
    }
}

/// Starts a board with this firmware, whose UART connects to this address.
pub(crate) fn start(image: &Path, uart: SocketAddr) -> Result<Board, Fault> {
    let serial = format!("tcp:{uart},nodelay=on");
    let log = File::create(image.with_extension("log"))?;
    let mut qemu = Command::new("qemu-system-arm");
    qemu.args(MACHINE).args(["-display", "none", "-monitor", "none", "-nic", "none", "-serial", &serial]);
    // One instruction takes a nanosecond of the board's time, so that its clock counts them.
    qemu.args(["-icount", "shift=0"]);
    // The board asks for the time of day.
    qemu.args(["-semihosting-config", "enable=on,target=native", "-kernel"]);
    Ok(Board(qemu.arg(image).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()?))
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
