//! The commands that change a machine, through the program itself: what they say and end with, what they leave, and that
//! what they advise works when it is typed.

mod apart;
mod calls;
mod check;
mod commands;
mod dependents;
mod disks;
mod guard;
mod manager;
mod refusals;
mod security;
mod text;
mod together;
mod units;
mod world;
