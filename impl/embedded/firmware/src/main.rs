//! A Razor node on an emulated Cortex-M4 (QEMU's `mps2-an386`), reached over its UART.
//!
//! It has an echo worker at `echo`, a listener for secure channels at `api`, a worker `dial` that opens a channel to the
//! listener `api` at the other end of the line and says `hello` to the worker `greeter` behind it, and a worker `status`
//! that answers with what the board has to say of itself.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod clock;
mod uart;

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec;

use cortex_m_rt::{entry, exception};
use embedded_alloc::LlffHeap as Heap;
use razor::Result;
use razor::channel::{self, Addresses, HoldLimits, LISTENER, Listening, Places};
use razor::env::{Env, Instant, Seeded, Timestamp};
use razor::identity::{AttestationDraft, Identity, PurposeKey};
use razor::node::{Delivery, Echoer, Event, Flow, Input, Mailbox, Spec};
use razor::routing::{Address, Message, Route};
use razor::vault::suite::Aes256GcmSha256;
use razor::vault::{SigningKind, SoftwareVault};
use razor_embedded::{Driver, Happened, SMALL, line};

use crate::board::{Emulated, SEED, WALL};
use crate::uart::Uart;

#[global_allocator]
static HEAP: Heap = Heap::empty();

/// All that the node may ever take from the heap.
const HEAP_SIZE: usize = 96 * 1024;

/// The largest transport message on the line.
const FRAME: u32 = 4_096;

type Node = Driver<Emulated>;

#[entry]
fn main() -> ! {
    // SAFETY: called once, before anything is allocated.
    unsafe {
        embedded_alloc::init!(HEAP, HEAP_SIZE);
    }
    clock::start(cortex_m::Peripherals::take().expect("taken once").SYST);
    // SAFETY: called once.
    let uart = unsafe { Uart::new() };
    let board = Emulated { uart, entropy: Seeded::from_u64(SEED), vault: SoftwareVault::new() };
    let mut driver = Driver::new(board, SMALL, &[line(FRAME)]).expect("there is room for one line");
    let config = identify(&mut driver).expect("the keys are good");
    start(&mut driver, &config).expect("the addresses are free");
    let mut application = Application { config, dialled: None, restarts: 0, least: usize::MAX };
    loop {
        while driver.turn() {
            application.look(&mut driver);
        }
        application.look(&mut driver);
        driver.wait();
    }
}

/// Gives the node an identity and a static key, and makes what it says of itself in handshakes.
fn identify(driver: &mut Node) -> Result<Arc<channel::Config>> {
    let mut entropy = Seeded::from_u64(SEED + 1);
    let mut env = Env::new(Instant::ZERO, Timestamp(WALL), &mut entropy);
    let vault = &mut driver.board().vault;
    let identity = Identity::create(vault, SigningKind::Ed25519, &mut env)?;
    let key = PurposeKey::SecureChannelStatic(vault.generate_static_key(env.entropy));
    let draft = AttestationDraft::valid_from(&identity, key, env.wall);
    let attestation = vault.answer(&draft.request()).and_then(|answer| draft.answer(answer))?;
    let mut config = channel::Config::new(&identity, &attestation, &[], env.wall)?;
    config.hold = HoldLimits::FLOOR;
    Ok(Arc::new(config))
}

/// Starts what the line reaches, and what comes out of the listener's channels.
fn start(driver: &mut Node, config: &Arc<channel::Config>) -> Result<()> {
    let reach = driver.reach();
    let listening = Listening { reached_through: vec![reach], places: Places::FLOOR, ..Listening::default() };
    let config = config.clone();
    let behind = driver.with(|node, env| channel::listen::<Aes256GcmSha256>(node, env, config, listening))?;
    let flow = Flow { consumer_of: vec![reach, behind], ..Flow::default() };
    let echo = Spec { mailboxes: vec![mailbox("echo")], flow: flow.clone(), worker: Box::new(Echoer) };
    driver.with(|node, env| node.start_worker(env, echo))?;
    for inbox in ["dial", "status"] {
        driver.with(|node, env| node.open_inbox(env, mailbox(inbox), flow.clone()))?;
    }
    Ok(())
}

fn mailbox(name: &str) -> Mailbox {
    Mailbox::open(Address::local(name))
}

/// What the board does beyond what every node can.
struct Application {
    config: Arc<channel::Config>,
    /// The channel that is being opened to the other end of the line.
    dialled: Option<Addresses>,
    /// How often the connection over the line began anew.
    restarts: u32,
    /// The least free heap that there was.
    least: usize,
}

impl Application {
    fn look(&mut self, driver: &mut Node) {
        self.least = self.least.min(HEAP.free());
        while let Some(happened) = driver.happened() {
            match happened {
                Happened::Delivered { inbox, delivery } if inbox == Address::local("dial") => {
                    self.dial(driver, &delivery)
                }
                Happened::Delivered { delivery, .. } => self.tell(driver, &delivery),
                Happened::Event(Event::ChannelOpened { encryptor, .. }) => self.greet(driver, encryptor),
                Happened::Event(_) => {}
                Happened::Restarted { .. } => self.restarts += 1,
            }
        }
    }

    /// Opens a channel to the other end of the line.
    fn dial(&mut self, driver: &mut Node, _: &Delivery) {
        let route = Route::from(Node::address(0)).then(LISTENER);
        let config = self.config.clone();
        let begun = driver.with(|node, env| channel::create::<Aes256GcmSha256>(node, env, config, &route));
        self.dialled = begun.ok();
    }

    /// Says hello through the channel that was dialled. What the other end sends through it reaches `echo`.
    fn greet(&mut self, driver: &mut Node, encryptor: Address) {
        if self.dialled.as_ref().is_none_or(|dialled| dialled.encryptor != encryptor) {
            return;
        }
        self.dialled = None;
        if let Some(producer) = driver.node().producer_at(&encryptor) {
            let _ = driver.with(|node, _| node.add_consumer(&Address::local("echo"), producer));
        }
        let onward = Route::from(encryptor).then("greeter");
        let back = Route::new().then("echo");
        send(driver, Message::new(onward.as_ref(), back.as_ref(), b"hello from the board"));
    }

    /// Answers with numbers: the heap, the line, the node.
    fn tell(&mut self, driver: &mut Node, delivery: &Delivery) {
        let (line, restarts) = (driver.counters(0), self.restarts);
        let (used, most) = (HEAP.used(), HEAP_SIZE.saturating_sub(self.least));
        let workers = driver.node().workers();
        let text: String = format!(
            "heap={used} heap_most={most} sound={} dropped={} restarts={restarts} workers={workers}",
            line.sound, line.dropped
        );
        let onward = delivery.message.return_route().to_owned();
        let back = Route::new().then("status");
        send(driver, Message::new(onward.as_ref(), back.as_ref(), text.as_bytes()));
    }
}

/// What cannot be sent now is lost, as on any line.
fn send(driver: &mut Node, message: Message) {
    let _ = driver.with(|node, env| razor::machine::Machine::handle(node, env, Input::Send(message)));
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        cortex_m::asm::bkpt();
    }
}

#[exception]
unsafe fn HardFault(_: &cortex_m_rt::ExceptionFrame) -> ! {
    loop {
        cortex_m::asm::bkpt();
    }
}
