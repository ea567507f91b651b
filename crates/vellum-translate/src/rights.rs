//! What may be done with a page, and who asks.

bitflags::bitflags! {
    /// A set of rights.
    #[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct Rights: u8 {
        /// Load.
        const READ = 1;
        /// Store.
        const WRITE = 2;
        /// Fetch instructions.
        const EXECUTE = 4;
    }
}

/// One access, and so the one right it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// A load.
    Load,
    /// A store, or an atomic, which counts as one.
    Store,
    /// An instruction fetch.
    Fetch,
}

impl Access {
    /// The right that it needs.
    #[inline]
    pub const fn right(self) -> Rights {
        match self {
            Access::Load => Rights::READ,
            Access::Store => Rights::WRITE,
            Access::Fetch => Rights::EXECUTE,
        }
    }
}

/// The guest's privilege mode, as far as translation cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Privilege {
    /// U-mode.
    User,
    /// S-mode.
    Supervisor,
}

/// What beside the tables decides about an access: the mode and two bits of `sstatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Environment {
    /// Who accesses.
    pub privilege: Privilege,
    /// `sstatus.SUM`: S-mode may load from and store to user pages.
    pub sum: bool,
    /// `sstatus.MXR`: what may be executed may be loaded.
    pub mxr: bool,
}

impl Environment {
    /// S-mode with SUM and MXR clear, as at boot.
    pub const SUPERVISOR: Environment =
        Environment { privilege: Privilege::Supervisor, sum: false, mxr: false };
    /// U-mode.
    pub const USER: Environment =
        Environment { privilege: Privilege::User, sum: false, mxr: false };

    /// A small number that differs where the rights that follow from an entry may differ.
    #[inline]
    pub const fn index(self) -> u16 {
        match self.privilege {
            Privilege::User => 4 | (self.mxr as u16) << 1,
            Privilege::Supervisor => (self.sum as u16) | (self.mxr as u16) << 1,
        }
    }

    /// The environment with this [`Environment::index`], or one that allows the same.
    pub const fn from_index(index: u16) -> Environment {
        let user = index & 4 != 0;
        Environment {
            privilege: if user { Privilege::User } else { Privilege::Supervisor },
            sum: !user && index & 1 != 0,
            mxr: index & 2 != 0,
        }
    }

    /// What this environment may do with a leaf that has the rights `leaf` and the user bit `user`
    /// (privileged specification, section "Virtual Address Translation Process", steps 5 and 6).
    #[inline]
    pub fn allows(self, leaf: Rights, user: bool) -> Rights {
        let mut rights = leaf;
        if self.mxr && leaf.contains(Rights::EXECUTE) {
            rights |= Rights::READ;
        }
        match (self.privilege, user) {
            (Privilege::User, true) | (Privilege::Supervisor, false) => rights,
            (Privilege::User, false) => Rights::empty(),
            (Privilege::Supervisor, true) if self.sum => rights - Rights::EXECUTE,
            (Privilege::Supervisor, true) => Rights::empty(),
        }
    }
}
