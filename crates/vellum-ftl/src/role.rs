//! What a block is used for, and how many are used for what.

/// The frontier that wrote a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Hot,
    Warm,
    Cool,
    Cold,
}

impl Class {
    pub fn of(frontier: u8) -> Class {
        match frontier {
            0 => Class::Hot,
            1 => Class::Warm,
            2 => Class::Cool,
            _ => Class::Cold,
        }
    }
}

/// What a block is used for. One byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Holds nothing; erased when it is opened, never before.
    Free,
    /// The same, but a cut could bring its content back until discards are durable.
    FreeLater,
    /// Erased for someone who tells soon what it is used for.
    Taken,
    /// Closed, with data of a frontier.
    Data(Class),
    /// A frontier writes it.
    Open,
    Meta,
    Anchor,
    Bad,
    /// A program failed in it: its pages are moved, then it is tortured or retired.
    Failing,
}

const _: () = assert!(size_of::<Role>() == 1);

impl Role {
    /// Whether the block holds nothing, or what only a cut could bring back.
    pub fn is_empty(self) -> bool {
        matches!(self, Role::Free | Role::FreeLater)
    }
}

/// How many blocks have the roles that are asked for often.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tally {
    pub free: u32,
    pub later: u32,
    pub closed: u32,
    pub bad: u32,
}

impl Tally {
    /// The number that counts a role.
    pub fn of(&mut self, role: Role) -> Option<&mut u32> {
        match role {
            Role::Free => Some(&mut self.free),
            Role::FreeLater => Some(&mut self.later),
            Role::Data(_) => Some(&mut self.closed),
            Role::Bad => Some(&mut self.bad),
            _ => None,
        }
    }
}
