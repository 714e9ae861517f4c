//! What the board does beyond what every node can.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use razor::Result;
use razor::machine::Machine as _;
#[cfg(feature = "initiator")]
use razor::node::Event;
use razor::node::{Delivery, Echoer, Flow, Input, Mailbox, Spec};
use razor::routing::{Address, Message, Route};
use razor_embedded::Happened;

use crate::{Node, memory};

#[cfg(feature = "initiator")]
use crate::dial::Dial;
#[cfg(feature = "responder")]
use crate::listener;

const STATUS: &str = "status";
#[cfg(feature = "initiator")]
const DIAL: &str = "dial";

pub struct Application {
    #[cfg(feature = "initiator")]
    dial: Dial,
    /// How often the connection over the line began anew.
    restarts: u32,
    /// For how many ticks of its clock the board did something.
    pub busy: u64,
}

impl Application {
    /// Starts what the line reaches, and what comes out of channels.
    pub fn start(driver: &mut Node) -> Result<Self> {
        #[cfg_attr(not(feature = "responder"), expect(unused_mut, reason = "there are no channels"))]
        let mut reached_through = vec![driver.reach()];
        #[cfg(feature = "responder")]
        let _config = listener::start(driver, &mut reached_through)?;
        let flow = Flow { consumer_of: reached_through, ..Flow::default() };
        let echo = Spec { mailboxes: vec![mailbox("echo")], flow: flow.clone(), worker: Box::new(Echoer) };
        driver.with(|node, env| node.start_worker(env, echo))?;
        #[cfg(feature = "initiator")]
        open(driver, DIAL, flow.clone())?;
        open(driver, STATUS, flow)?;
        Ok(Self {
            #[cfg(feature = "initiator")]
            dial: Dial::new(_config),
            restarts: 0,
            busy: 0,
        })
    }

    /// Sees to what has happened.
    pub fn look(&mut self, driver: &mut Node) {
        while let Some(happened) = driver.happened() {
            match happened {
                #[cfg(feature = "initiator")]
                Happened::Delivered { inbox, .. } if inbox == Address::local(DIAL) => self.dial.dial(driver),
                #[cfg(feature = "initiator")]
                Happened::Event(Event::ChannelOpened { encryptor, .. }) => self.dial.greet(driver, encryptor),
                Happened::Delivered { delivery, .. } => self.tell(driver, &delivery),
                Happened::Event(_) => {}
                Happened::Restarted { .. } => self.restarts += 1,
            }
        }
    }

    /// Answers with numbers of eight bytes: of the heap what is in use and the most that was; of the stack the most that was
    /// in use and what never was; dropped frames, connections begun anew, busy ticks.
    fn tell(&mut self, driver: &mut Node, delivery: &Delivery) {
        let ((used, most), (stack, free)) = (memory::heap(), memory::stack());
        let [used, most, stack, free] = [used, most, stack, free].map(|n| n as u64);
        let numbers = [used, most, stack, free, driver.counters(0).dropped, self.restarts.into(), self.busy];
        let numbers: Vec<u8> = numbers.into_iter().flat_map(u64::to_be_bytes).collect();
        let onward = delivery.message.return_route().to_owned();
        send(driver, &onward, STATUS, &numbers);
    }
}

fn open(driver: &mut Node, inbox: &str, flow: Flow) -> Result<()> {
    driver.with(|node, env| node.open_inbox(env, mailbox(inbox), flow))
}

fn mailbox(name: &str) -> Mailbox {
    Mailbox::open(Address::local(name))
}

/// Sends a message. What cannot be sent now is lost, as on any line.
pub fn send(driver: &mut Node, onward: &Route, back: &str, payload: &[u8]) {
    let message = Message::new(onward.as_ref(), Route::new().then(back).as_ref(), payload);
    let _ = driver.with(|node, env| node.handle(env, Input::Send(message)));
}
