//! What must be looked at, beyond the identity, to say yes to an exec.

use std::fmt;

/// A set of the four things that an entry can ask for beside the identity.
///
/// Ordered by number and then by weight: the fewest and weakest first, by the
/// order of the reasons that they give.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Needs(u8);

impl Needs {
    /// The identity alone decides.
    pub const NONE: Self = Self(0);
    /// The arguments.
    pub const ARGS: Self = Self(1);
    /// The user.
    pub const USERS: Self = Self(1 << 1);
    /// Who started it.
    pub const PARENTS: Self = Self(1 << 2);
    /// The content of the file.
    pub const CONTENT: Self = Self(1 << 3);

    /// What `wanted` says of each.
    pub fn new(content: bool, args: bool, parents: bool, users: bool) -> Self {
        [
            (content, Self::CONTENT),
            (args, Self::ARGS),
            (parents, Self::PARENTS),
            (users, Self::USERS),
        ]
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .fold(Self::NONE, |all, (_, need)| all.union(need))
    }

    /// What either of them asks for.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether nothing is asked for.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// The content of the file.
    pub fn content(self) -> bool {
        self.has(Self::CONTENT)
    }

    /// The arguments.
    pub fn args(self) -> bool {
        self.has(Self::ARGS)
    }

    /// Who started it.
    pub fn parents(self) -> bool {
        self.has(Self::PARENTS)
    }

    /// The user.
    pub fn users(self) -> bool {
        self.has(Self::USERS)
    }

    fn has(self, one: Self) -> bool {
        self.0 & one.0 != 0
    }
}

impl Ord for Needs {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.0.count_ones(), self.0).cmp(&(other.0.count_ones(), other.0))
    }
}

impl PartialOrd for Needs {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Debug for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            (self.content(), "content"),
            (self.args(), "args"),
            (self.parents(), "parents"),
            (self.users(), "users"),
        ];
        let held = names.iter().filter(|(held, _)| *held).map(|(_, name)| name);
        f.debug_set().entries(held).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_and_weakest_come_first() {
        let both = Needs::ARGS.union(Needs::USERS);
        let mut needs = [
            both,
            Needs::CONTENT,
            Needs::NONE,
            Needs::PARENTS,
            Needs::USERS,
        ];

        needs.sort();

        let expected = [
            Needs::NONE,
            Needs::USERS,
            Needs::PARENTS,
            Needs::CONTENT,
            both,
        ];
        assert_eq!(needs, expected);
    }

    #[test]
    fn each_is_itself_alone() {
        let all = Needs::new(true, true, true, true);
        assert!(all.content() && all.args() && all.parents() && all.users());

        let args = Needs::new(false, true, false, false);
        assert_eq!(args, Needs::ARGS);
        assert!(!args.content() && !args.parents() && !args.users());
        assert_eq!(format!("{args:?}"), "{\"args\"}");
    }
}
