//! What a node asks of its vault and its store: answers that are late, and a store that fails.

use razor::error::Error;
use razor::identity::{Identifier, MemoryStore, StoreAnswer, StoreRequest};
use razor::machine::Machine as _;
use razor::node::{self, Answer};
use razor::vault::suite::Suite;

use crate::plan;

use super::Party;

/// A store that knows nobody.
pub(super) fn store(plan: &plan::Node) -> MemoryStore {
    MemoryStore::new(plan.strangers.unwrap_or(MemoryStore::DEFAULT_LIMIT))
}

impl<S: Suite> Party<S> {
    /// Asks the store, which may fail. Says whose history it is about if all is well with the answer.
    pub(super) fn ask_store(&mut self, request: &StoreRequest) -> (Answer, Option<Identifier>) {
        let (StoreRequest::Load(whose) | StoreRequest::Store(whose, _)) = request;
        if matches!(request, StoreRequest::Store(..)) {
            *self.admitted.entry(*whose).or_default() -= 1;
        }
        if !self.failing.chance(self.store_fails) {
            let answer = self.store.answer(request);
            let well = answer.is_ok().then_some(*whose);
            return (Answer::Store(answer), well);
        }
        let garbage = StoreAnswer::Loaded(Some(vec![0x80]));
        let loads = matches!(request, StoreRequest::Load(_)) && self.failing.below(2) == 0;
        let broken = Error::misuse("IDN-31", "the store is broken");
        (Answer::Store(if loads { Ok(garbage) } else { Err(broken) }), None)
    }

    /// The store has said that all is well with the history of somebody.
    pub(super) fn admit(&mut self, whose: Option<Identifier>) {
        if let Some(whose) = whose {
            *self.admitted.entry(whose).or_default() += 1;
        }
    }

    /// Answers that are due.
    pub(super) fn answer(&mut self) {
        while let Some(due) = self.answers.iter().position(|(at, ..)| *at <= self.now) {
            let (_, id, answer, whose) = self.answers.remove(due);
            self.admit(whose);
            let input = node::Input::Answer { id, answer };
            self.with(|node, env| node.handle(env, input)).expect("a late answer is harmless");
        }
    }
}
