//! What a slot may run: identities as the kernel's keys.

use super::{Kernel, PolicyError};
use crate::model::{Identity, Layer, Libraries, Needs, Role, Slot, last_component};
use agent_common::siphash::{self, Key};
use agent_common::wire::{AllowKey, Allowed, ClearedKey, SeenKey, cleared, layer, need, stop};
use std::collections::HashMap;

/// One identity that a slot may run.
#[derive(Clone, Debug)]
pub struct Permit {
    /// The identity.
    pub identity: Identity,
    /// What more must be looked at.
    pub needs: Needs,
    /// Under which names, for a program.
    pub names: Names,
}

/// Under which names a program is permitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Names {
    /// Under any; where the file has several hard links, each name that it is
    /// run by is reported once.
    Any,
    /// Under its file's own name alone: each other is reported.
    Own,
}

impl From<&Identity> for Permit {
    fn from(identity: &Identity) -> Self {
        Self {
            identity: identity.clone(),
            needs: Needs::NONE,
            names: Names::Any,
        }
    }
}

/// What a key of the map of what is allowed stands for.
pub(super) struct Listed {
    identity: Identity,
    /// The key's value: what more must be looked at.
    pub(super) needs: u32,
    /// The mark that was told last.
    told: u32,
}

/// One identity that a slot ran and the kernel knew at once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sighted {
    /// The slot.
    pub slot: Slot,
    /// Its generation when that was: of several times the last.
    pub generation: u32,
    /// The identity.
    pub identity: Identity,
}

impl Kernel {
    /// Lets `slot` run one more identity from now on.
    pub fn allow(&mut self, slot: Slot, permit: &Permit) -> Result<(), PolicyError> {
        let mut result = Ok(());
        for (key, needs) in entries(self.key, slot, permit) {
            let present = self
                .hash_ref::<AllowKey, Allowed>("ALLOW")
                .get(&key, 0)
                .ok();
            // What is permitted under any name stays so.
            let is_there = |present: Allowed| present.needs == needs || needs == need::NAME;
            if present.is_some_and(is_there) {
                continue;
            }
            let sighted = present.map_or(0, |present| present.sighted);
            result = result.and(self.insert_allowed(key, needs, sighted, &permit.identity));
        }
        result
    }

    fn insert_allowed(
        &mut self,
        key: AllowKey,
        needs: u32,
        sighted: u32,
        identity: &Identity,
    ) -> Result<(), PolicyError> {
        let max = self.sizes.allow;
        self.insert("ALLOW", max, &key, Allowed { needs, sighted })?;
        self.list(key, needs, sighted, identity);
        Ok(())
    }

    /// Remembers what a key stands for; `sighted` is the mark that it has.
    fn list(&mut self, key: AllowKey, needs: u32, sighted: u32, identity: &Identity) {
        let of_slot = self.allowed.entry(Slot(key.slot)).or_default();
        let told = of_slot.get(&key).map_or(sighted, |listed| listed.told);
        let identity = identity.clone();
        let listed = Listed {
            identity,
            needs,
            told,
        };
        of_slot.insert(key, listed);
    }

    fn unlist(&mut self, key: &AllowKey) {
        let slot = Slot(key.slot);
        if let Some(of_slot) = self.allowed.get_mut(&slot) {
            of_slot.remove(key);
            if of_slot.is_empty() {
                self.allowed.remove(&slot);
            }
        }
    }

    /// What the kernel's map has of a slot. What somebody else put there is
    /// [`put_back`](Self::put_back)'s to find: only our own entries are walked over.
    fn present(&self, slot: Slot) -> HashMap<AllowKey, Allowed> {
        let map = self.hash_ref::<AllowKey, Allowed>("ALLOW");
        let keys = self.allowed.get(&slot).into_iter().flatten();
        keys.filter_map(|(key, _)| Some((*key, map.get(key, 0).ok()?)))
            .collect()
    }

    /// What ran and was known at once, without anybody being told, since the last
    /// call: each identity with the last generation of its slot under which it was
    /// found in the map of what is allowed. The fast path does not ask that map
    /// again under the same generation.
    ///
    /// Looks at every entry of every slot: some microseconds each.
    pub fn take_sighted(&mut self) -> Vec<Sighted> {
        let slots: Vec<Slot> = self.allowed.keys().copied().collect();
        slots
            .into_iter()
            .flat_map(|slot| self.take_sighted_of(slot))
            .collect()
    }

    /// The same of one slot.
    pub fn take_sighted_of(&mut self, slot: Slot) -> Vec<Sighted> {
        let present = self.present(slot);
        let mut sighted = Vec::new();
        for (key, listed) in self.allowed.get_mut(&slot).into_iter().flatten() {
            let generation = present.get(key).map_or(0, |allowed| allowed.sighted);
            if generation != 0 && listed.told != generation {
                listed.told = generation;
                sighted.push(Sighted {
                    slot,
                    generation,
                    identity: listed.identity.clone(),
                });
            }
        }
        sighted
    }

    /// Makes `permits` all that `slot` may run: adds what is missing first,
    /// then takes out the rest, so that nothing that stays is refused in
    /// between. The slot's generation must be raised afterwards.
    ///
    /// # Errors
    /// When the map is full: what found no room is reported as a deviation.
    pub fn replace_allowed(
        &mut self,
        slot: Slot,
        permits: impl IntoIterator<Item = Permit>,
    ) -> Result<(), PolicyError> {
        let mut wanted: HashMap<AllowKey, (u32, Identity)> = HashMap::new();
        for permit in permits {
            for (key, needs) in entries(self.key, slot, &permit) {
                let value = (needs, permit.identity.clone());
                if needs == need::NAME {
                    wanted.entry(key).or_insert(value);
                } else {
                    wanted.insert(key, value);
                }
            }
        }
        let present = self.present(slot);
        let mut result = Ok(());
        for (key, (needs, identity)) in &wanted {
            let sighted = present.get(key).map_or(0, |present| present.sighted);
            match present.get(key) {
                Some(present) if present.needs == *needs => {
                    self.list(*key, *needs, sighted, identity);
                }
                _ => result = result.and(self.insert_allowed(*key, *needs, sighted, identity)),
            }
        }
        let of_slot = self.allowed.get(&slot).into_iter().flat_map(HashMap::keys);
        let gone = of_slot.filter(|key| !wanted.contains_key(key)).copied();
        for key in gone.collect::<Vec<_>>() {
            let removed = self.remove::<AllowKey, Allowed>("ALLOW", &key);
            // What could not be taken out is tried again the next time.
            if removed.is_ok() {
                self.unlist(&key);
            }
            result = result.and(removed);
        }
        result
    }

    /// Says that an exec that was looked at is allowed, with all that its
    /// identity needs: the same again is known. The kernel forgets the oldest
    /// of these; they are then looked at once more.
    pub fn clear(
        &mut self,
        slot: Slot,
        slot_generation: u32,
        key: &SeenKey,
    ) -> Result<(), PolicyError> {
        self.looked_at(slot, slot_generation, key, cleared::YES)
    }

    /// Says that it is not: where what deviates is stopped, the same again is.
    pub fn refuse(
        &mut self,
        slot: Slot,
        slot_generation: u32,
        key: &SeenKey,
    ) -> Result<(), PolicyError> {
        self.looked_at(slot, slot_generation, key, cleared::NO)
    }

    fn looked_at(
        &mut self,
        slot: Slot,
        slot_generation: u32,
        key: &SeenKey,
        found: u32,
    ) -> Result<(), PolicyError> {
        let max = self.sizes.allow;
        let cleared = ClearedKey {
            path_hash: key.path_hash,
            name_hash: key.name_hash,
            detail: key.detail,
            slot: slot.0,
            slot_generation,
            layer: key.layer,
            pad: 0,
        };
        self.insert("CLEARED", max, &cleared, found)
    }
}

/// The entries of the map of what is allowed, with their values.
fn entries(key: Key, slot: Slot, permit: &Permit) -> Vec<(AllowKey, u32)> {
    let identity = &permit.identity;
    let hash = |bytes: &[u8]| siphash::hash(key, bytes);
    let script_layer = match &identity.role {
        Role::Script(script) => script.layer,
        Role::Program | Role::Applet(_) => Layer::Image,
    };
    let (Some(own), Some(scripts)) = (layer_word(identity.layer), layer_word(script_layer)) else {
        return Vec::new();
    };
    let entry = |name_hash: u64, layer: u32, value: u32| {
        let path_hash = hash(identity.file.as_bytes());
        let slot = slot.0;
        let key = AllowKey {
            path_hash,
            name_hash,
            slot,
            layer,
        };
        (key, value)
    };
    let needs = need_bits(permit.needs);
    let named = |name: &[u8]| vec![entry(0, own, need::NAME), entry(hash(name), own, needs)];
    match (&identity.role, permit.names) {
        (Role::Program, Names::Any) => vec![entry(0, own, needs)],
        (Role::Program, Names::Own) => named(last_component(identity.file.as_bytes())),
        (Role::Applet(applet), _) => named(applet.as_bytes()),
        (Role::Script(script), _) => {
            let mut chain = hash(script.path.as_bytes());
            for via in &script.via {
                let next = hash(via.as_bytes());
                let both = [chain.to_le_bytes(), next.to_le_bytes()].concat();
                chain = hash(&both);
            }
            vec![entry(chain, own | scripts << 8, needs)]
        }
    }
}

/// [`need`]s of a slot: what tells two execs of a file apart that is not
/// allowed.
pub fn detail_bits(needs: Needs, names: Names) -> u32 {
    need_bits(needs)
        | match names {
            Names::Any => 0,
            Names::Own => need::NAME,
        }
}

/// [`stop`]s of a slot of which what deviates is stopped. `unverified`: also what
/// only the agent can decide, until it has. `but_probes`: what is put into a
/// container without a terminal is let through. `libraries`: what may be mapped.
/// `layers`: those of which entries that only the agent can compare may cover a file.
pub fn stop_bits(
    unverified: bool,
    but_probes: bool,
    libraries: Libraries,
    layers: impl IntoIterator<Item = Layer>,
) -> u32 {
    let layers = layers.into_iter().map(|layer| match layer {
        Layer::Memory => layer::MEMORY,
        other => layer_word(other).unwrap_or(layer::UNKNOWN),
    });
    layers.fold(
        stop::UNLISTED
            | bit(unverified, stop::UNVERIFIED)
            | bit(but_probes, stop::BUT_PROBES)
            | bit(libraries == Libraries::Image, stop::LIBRARIES),
        |bits, layer| bits | 1 << (stop::LAYERS + layer),
    )
}

fn bit(wanted: bool, bit: u32) -> u32 {
    if wanted { bit } else { 0 }
}

fn need_bits(needs: Needs) -> u32 {
    bit(needs.content(), need::CONTENT)
        | bit(needs.args(), need::ARGS)
        | bit(needs.parents(), need::PARENT)
        | bit(needs.users(), need::USER)
}

/// `None` for a layer whose names the process chooses: judged by the agent.
fn layer_word(layer: Layer) -> Option<u32> {
    match layer {
        Layer::Image => Some(layer::IMAGE),
        Layer::Upper => Some(layer::UPPER),
        Layer::Volume => Some(layer::VOLUME),
        Layer::Tmpfs => Some(layer::TMPFS),
        Layer::Host => Some(layer::HOST),
        Layer::Memory | Layer::Unknown => None,
    }
}
