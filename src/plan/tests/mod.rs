//! Owns the tests of the rules, one file a room, and the two that check the whole: an oracle that knows no rule but tries,
//! and properties.

mod contact;
mod dangers;
mod diff;
mod documented;
mod lost;
mod machine;
mod notation;
mod oldest;
mod oracle;
mod order;
mod properties;
mod shared;
mod trouble;
mod unknown;
mod unmigrated;
