//! What files contained, remembered: least recently used goes first.

use crate::model::Content;
use crate::model::FileState;
use std::collections::{BTreeMap, HashMap};

/// A bounded memory of contents. What is forgotten is read again.
#[derive(Debug)]
pub struct Cache {
    room: usize,
    contents: HashMap<FileState, (u64, Content)>,
    /// When an entry was last used, by a count of uses, and whose it is.
    uses: BTreeMap<u64, FileState>,
    used: u64,
}

impl Cache {
    /// Room for `room` contents.
    pub fn new(room: usize) -> Self {
        Self {
            room,
            contents: HashMap::new(),
            uses: BTreeMap::new(),
            used: 0,
        }
    }

    /// What a file in this state contains.
    pub fn get(&mut self, state: &FileState) -> Option<Content> {
        let (_, content) = self.contents.remove(state).inspect(|(used, _)| {
            self.uses.remove(used);
        })?;
        self.put(*state, content);
        Some(content)
    }

    /// Remembers what a file in this state contains.
    pub fn put(&mut self, state: FileState, content: Content) {
        self.used += 1;
        if let Some((used, _)) = self.contents.insert(state, (self.used, content)) {
            self.uses.remove(&used);
        }
        self.uses.insert(self.used, state);
        if self.contents.len() > self.room
            && let Some((_, oldest)) = self.uses.pop_first()
        {
            self.contents.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(ino: u64) -> FileState {
        FileState {
            ino,
            ..FileState::default()
        }
    }

    #[test]
    fn what_was_not_used_for_longest_is_forgotten() {
        let mut cache = Cache::new(2);
        cache.put(state(1), Content::default());
        cache.put(state(2), Content::default());

        assert!(cache.get(&state(1)).is_some());
        cache.put(state(3), Content::default());

        assert!(cache.get(&state(1)).is_some());
        assert!(cache.get(&state(2)).is_none());
        assert!(cache.get(&state(3)).is_some());
    }

    #[test]
    fn stays_bounded_however_it_is_used() {
        let mut cache = Cache::new(4);
        for turn in 0..1000_u64 {
            cache.put(state(turn * 7 % 11), Content::default());
            cache.get(&state(turn * 5 % 13));

            assert!(cache.contents.len() <= 4);
            assert_eq!(cache.contents.len(), cache.uses.len());
        }
    }

    #[test]
    fn another_state_of_the_file_is_another_entry() {
        let mut cache = Cache::new(4);
        let later = FileState {
            ctime: 1,
            ..state(1)
        };
        cache.put(state(1), Content::default());

        assert_eq!(cache.get(&later), None);
    }
}
