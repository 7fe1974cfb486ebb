//! Recording: what files are called, where they end, what is kept of a broken one, which go first.

pub mod clip;
pub mod container;
pub mod contents;
pub mod cut;
pub mod files;
pub mod format;
pub mod fragments;
mod gathering;
pub mod merge;
pub mod moment;
pub mod playlist;
pub mod preroll;
pub mod repair;
pub mod retain;
pub mod retry;
pub mod template;
pub mod upload;

pub use container::Container;
pub use contents::{Contents, contents};
pub use cut::{Cutter, Limits, Verdict};
pub use format::Format;
pub use gathering::Gathering;
pub use merge::Merge;
pub use moment::{Calendar, Moment, Order};
pub use preroll::PreRoll;
pub use repair::{Repair, repair};
pub use retain::{Choice, Group, Reason, Recording, Retention, plan};
pub use retry::DiskRetry;
pub use template::{Template, TemplateError};
pub use upload::{Backlog, Counts, Finished};
