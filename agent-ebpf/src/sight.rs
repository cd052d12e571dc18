//! The slow path, at the first sight of a file: walk the path, tell the layer,
//! ask `ALLOW`; what that does not cover is reported.

use crate::applet::{self, execwarden_applet};
use crate::container::Judged;
use crate::detail::{self, execwarden_detail};
use crate::exec::{Rules, Verdict};
use crate::flags::Flags;
use crate::identity::{File, execwarden_hash_path, execwarden_keep_state};
use crate::kernel::{copy_str, in_memory, layout, peek_or_zero, within};
use crate::layer::{OUTSIDE, execwarden_layer, mount_dev};
use crate::maps::{ALLOW, CGROUPS, FAST, lost, scratch};
use crate::origin::{execwarden_ancestors, execwarden_origin};
use crate::path::{self, Failure};
use crate::report::{Scratch, count_again, execwarden_report, is_over};
use crate::script;
use crate::stop::execwarden_stop;
use crate::tail;
use crate::task::{self, execwarden_evidence};
use agent_common::wire::{
    APPLET_MAX, ARGS_MAX, AllowKey, CWD_MAX, FILENAME_MAX, SeenKey, cleared, fast, flag, layer,
    mode, need,
};

/// An exec that the fast path does not know.
pub struct Sight<'a> {
    pub file: &'a File,
    /// The same, as a plain address.
    pub address: u64,
    /// The kernel's copy of the name that was given to execve.
    pub filename: u64,
    pub is_script: bool,
    pub rules: Rules,
}

/// What `ALLOW` says.
#[derive(Clone, Copy)]
struct Answer {
    covered: bool,
    /// What more must be looked at: see [`need`].
    needs: u32,
    /// Whether the file is allowed name by name.
    by_name: bool,
    /// Whether the file is allowed, and whether under this name too is for the
    /// agent to find out by its content.
    may_be: bool,
}

impl Sight<'_> {
    /// The verdict.
    #[inline(always)]
    pub fn judge(&self, scratch: &mut Scratch, judged: &mut Judged, flags: Flags) -> Verdict {
        self.identify(scratch, judged, flags);
        let answer = self.ask(scratch);
        let is_layered = scratch.record.key.layer & 0xff != layer::MEMORY
            && scratch.record.key.layer >> 8 != layer::MEMORY;
        // Outside the container only what is listed as the host's may run.
        let is_in_place = scratch.record.key.layer & 0xff == layer::HOST
            || !flags.has(flag::OUTSIDE_FILE | flag::HOST_MNTNS);
        let trusted = !flags.has(flag::ERROR | flag::ESCAPED | flag::OUTSIDE_CWD)
            && is_layered
            && is_in_place;
        let needs = if answer.covered {
            answer.needs
        } else {
            self.rules.detail & !need::NAME
        };
        if answer.covered && trusted && needs == 0 {
            self.mark(scratch);
            self.remember(scratch, answer);
            return Verdict::Known;
        }

        let is_named = (answer.covered || answer.may_be) as u64;
        // What is told apart by its identity alone is counted without a look
        // at who ran it.
        let mut again = false;
        if needs == 0 {
            execwarden_stop(judged.container_id, is_named);
            again = count_again(scratch);
        }
        if !again {
            self.look_at_who(judged, flags);
        }
        if needs != 0 {
            scratch.record.key.detail = execwarden_detail(needs as u64);
            let found = detail::cleared(scratch, judged.slot, self.rules.generation);
            if answer.covered && trusted && found == cleared::YES {
                if needs == need::CONTENT {
                    self.remember(scratch, answer);
                }
                return Verdict::Known;
            }
            execwarden_stop(judged.container_id, is_named);
            again = count_again(scratch);
        }
        if !again {
            self.report(scratch, judged);
        }
        if flags.has(flag::ERROR) {
            Verdict::Error
        } else if self.rules.mode == mode::LEARN {
            Verdict::Learning
        } else {
            Verdict::Deviating
        }
    }

    /// The verdict of one that may still be refused; `None` if it is not. What may run
    /// under some name or condition is not.
    #[inline(always)]
    pub fn refuse(
        &self,
        scratch: &mut Scratch,
        judged: &mut Judged,
        flags: Flags,
    ) -> Option<Verdict> {
        self.identify(scratch, judged, flags);
        if look_up(scratch).covered || execwarden_stop(judged.container_id, 0) == 0 {
            return None;
        }
        Some(self.tell_of_refused(scratch, judged, flags))
    }

    /// The same of one that is to be mapped; `None` if it may be. A file of the image, of
    /// a volume or of the host may, and so may what is listed.
    #[inline(always)]
    pub fn refuse_to_load(
        &self,
        scratch: &mut Scratch,
        judged: &mut Judged,
        flags: Flags,
    ) -> Option<Verdict> {
        self.identify(scratch, judged, flags);
        let own = in_memory(&scratch.record.key.layer) & 0xff;
        let is_given = own == layer::IMAGE || own == layer::VOLUME || own == layer::HOST;
        if (is_given && !flags.has(flag::ERROR)) || look_up(scratch).covered {
            // A cache: whether it had room changes no verdict.
            let _ = FAST.insert(&scratch.fast, &fast::YES, 0);
            return None;
        }
        if execwarden_stop(judged.container_id, 0) == 0 {
            return None;
        }
        flags.set(flag::MAPPED);
        scratch.record.key.circumstances |= flag::MAPPED;
        Some(self.tell_of_refused(scratch, judged, flags))
    }

    /// The verdict of one that is refused.
    #[inline(always)]
    fn tell_of_refused(&self, scratch: &mut Scratch, judged: &Judged, flags: Flags) -> Verdict {
        if !count_again(scratch) {
            self.look_at_who(judged, flags);
            self.report(scratch, judged);
        }
        match flags.has(flag::ERROR) {
            true => Verdict::Error,
            false => Verdict::Deviating,
        }
    }

    /// Takes the evidence of who runs it, and with which words.
    #[inline(always)]
    fn look_at_who(&self, judged: &Judged, flags: Flags) {
        execwarden_applet();
        execwarden_evidence(task::current());
        flags.set(execwarden_origin(task::current(), judged.container_id) as u32);
    }

    /// Tells of it, unless the slot has used its quota up.
    #[inline(always)]
    fn report(&self, scratch: &mut Scratch, judged: &Judged) {
        if is_over(judged.slot) {
            return;
        }
        scratch.record.facts.cgroup = judged.cgroup;
        scratch.record.facts.slot = judged.slot;
        scratch.record.facts.links = self.file.links();
        execwarden_gather(self.filename);
        execwarden_ancestors(task::current(), judged.container_id);
        execwarden_report(judged.slot as u64);
    }

    /// Walks the path, and the script's; tells the layers. The key is complete
    /// but for the detail.
    #[inline(always)]
    fn identify(&self, scratch: &mut Scratch, judged: &mut Judged, flags: Flags) {
        let file = self.address;
        let namespace = task::peek_namespace(task::current());
        if execwarden_keep_state(file, 0) != 0 {
            flags.set(flag::OPEN_FOLDER);
        }
        scratch.record.facts.path_len = 0;
        scratch.record.facts.via_len = 0;
        scratch.record.facts.applet_len = 0;
        scratch.record.facts.args_len = 0;
        scratch.record.facts.args_total = 0;
        tail::begin(scratch);
        let mut path_hash = 0;
        let mut layers = layer::UNKNOWN;
        match path::walk(file, layout!(file_dentry), layout!(file_mnt)) {
            Ok(found) => {
                scratch.record.facts.path_len = found.len;
                path::take(scratch, &found);
                path_hash = execwarden_hash_path(found.len as u64);
                let from = scratch.path.as_ptr() as u64;
                tail::append(scratch, from, found.len);
                let root_mount = path::execwarden_root_mount();
                settle_root(judged, root_mount, flags);
                let told = execwarden_layer(
                    file,
                    root_mount,
                    judged.root_dev as u64,
                    namespace,
                    judged.container_id,
                );
                layers = told as u32 & 0xff;
                if told & OUTSIDE != 0 {
                    flags.set(flag::OUTSIDE_FILE);
                }
            }
            Err(failure) => {
                flags.set(flag::ERROR);
                match failure {
                    Failure::TooLong => lost!(path_too_long),
                    Failure::Unreadable => lost!(read_failed),
                }
            }
        }
        if layers == layer::UNKNOWN {
            flags.set(flag::ERROR);
        }
        if flags.has(flag::ERROR) && path_hash == 0 {
            // Without a path, the file itself tells two of them apart.
            path_hash = scratch.fast.ino ^ ((scratch.fast.dev as u64) << 32);
        }
        let mut name_hash = 0;
        if self.is_script {
            let root_dev = judged.root_dev;
            script::settle(scratch, root_dev, namespace, judged.container_id, flags);
            // What another function wrote.
            name_hash = in_memory(&scratch.chain.name_hash);
            layers |= in_memory(&scratch.chain.layer) << 8;
        }
        if flags.has(flag::OUTER_MNTNS) {
            // The runtime's stage stands where its own files are.
            flags.clear(flag::OUTSIDE_FILE);
        }
        scratch.record.key = SeenKey {
            container: judged.container_id,
            path_hash,
            name_hash,
            detail: 0,
            layer: layers,
            circumstances: flags.get() & CIRCUMSTANCES,
        };
    }

    /// Asks `ALLOW`: for a script, under its name; for a program, under any
    /// name, and where its names are told apart, under the one it was given.
    /// A file with several hard links is allowed under its own name alone.
    #[inline(always)]
    fn ask(&self, scratch: &mut Scratch) -> Answer {
        let any = look_up(scratch);
        let plain = any.covered && !any.by_name;
        let names_matter = any.by_name
            || (plain && self.file.links() > 1)
            || (!any.covered && self.rules.detail & need::NAME != 0);
        if self.is_script || !names_matter {
            return any;
        }
        let hash = applet::name_hash(scratch);
        if plain && applet::is_own_name(scratch, self.file.dentry) {
            scratch.record.key.name_hash = hash;
            return Answer {
                by_name: true,
                ..any
            };
        }
        scratch.record.key.name_hash = hash;
        Answer {
            by_name: true,
            may_be: plain,
            ..look_up(scratch)
        }
    }

    /// Says in the entry that was found last that it was found under this
    /// generation: from now on the fast path says yes, and nobody else would
    /// know that it ever ran. Two CPUs that are here at once write the same.
    #[inline(always)]
    fn mark(&self, scratch: &Scratch) {
        if let Some(value) = ALLOW.get_ptr_mut(&scratch.allow) {
            // SAFETY: a value of a map, valid while the program runs.
            unsafe { (*value).sighted = self.rules.generation };
        }
    }

    /// A cache: whether it had room changes no verdict.
    #[inline(always)]
    fn remember(&self, scratch: &mut Scratch, answer: Answer) {
        if answer.by_name {
            scratch.fast.name_hash = 0;
            let _ = FAST.insert(&scratch.fast, &fast::BY_NAME, 0);
            scratch.fast.name_hash = scratch.record.key.name_hash;
        }
        let _ = FAST.insert(&scratch.fast, &fast::YES, 0);
    }
}

/// Keeps what a record carries: the name given to execve, the applet, the
/// arguments, the working directory.
///
/// A function of its own to the verifier, like the walk.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn execwarden_gather(filename: u64) -> u64 {
    let Some(scratch) = scratch() else {
        return 0;
    };
    // SAFETY: this CPU's own value, valid while the program runs.
    let scratch = unsafe { &mut *scratch };
    if scratch.record.facts.flags & flag::SCRIPT == 0 {
        let to = scratch.path.as_mut_ptr().cast();
        let len = copy_str(to, FILENAME_MAX as u32, filename);
        let len = if len == 0 { 0 } else { len - 1 };
        let from = scratch.path.as_ptr() as u64;
        tail::append(scratch, from, within(len, FILENAME_MAX as u32));
        scratch.record.facts.name_len = len;
    }
    let applet_len = scratch.record.facts.applet_len;
    let from = scratch.applet.as_ptr() as u64;
    tail::append(scratch, from, within(applet_len, APPLET_MAX as u32));
    let args_len = scratch.record.facts.args_len;
    let from = scratch.args.as_ptr() as u64;
    tail::append(scratch, from, within(args_len, ARGS_MAX as u32));

    let fs = peek_or_zero(task::current(), layout!(task_fs));
    scratch.record.facts.cwd_len = 0;
    if let Ok(found) = path::walk(fs, layout!(fs_pwd_dentry), layout!(fs_pwd_mnt)) {
        let max = CWD_MAX as u32 - 1;
        scratch.record.facts.cwd_len = path::keep_end(scratch, &found, CWD_MAX as u32, max);
        if found.len == 0 {
            scratch.path[0] = b'/' as u64;
            let from = scratch.path.as_ptr() as u64;
            tail::append(scratch, from, 1);
            scratch.record.facts.cwd_len = 1;
        }
    }
    0
}

/// The [`flag`]s that make the same file another matter.
const CIRCUMSTANCES: u32 =
    flag::ESCAPED | flag::HOST_MNTNS | flag::OUTER_MNTNS | flag::OUTSIDE_FILE | flag::OUTSIDE_CWD;

#[inline(always)]
fn look_up(scratch: &mut Scratch) -> Answer {
    let seen = &scratch.record.key;
    scratch.allow = AllowKey {
        path_hash: seen.path_hash,
        name_hash: seen.name_hash,
        slot: scratch.fast.slot,
        layer: seen.layer,
    };
    match ALLOW.get_ptr(&scratch.allow) {
        // SAFETY: a value of a map, valid while the program runs.
        Some(value) => {
            let needs = unsafe { (*value).needs };
            Answer {
                covered: true,
                needs: needs & !need::NAME,
                by_name: needs & need::NAME != 0,
                may_be: false,
            }
        }
        None => Answer {
            covered: false,
            needs: 0,
            by_name: false,
            may_be: false,
        },
    }
}

/// The container's first exec tells its root file system.
#[inline(always)]
fn settle_root(judged: &mut Judged, root_mount: u64, flags: Flags) {
    if judged.root_dev != 0 || flags.has(flag::HOST_MNTNS | flag::OUTER_MNTNS) {
        return;
    }
    let Some(dev) = mount_dev(root_mount) else {
        return;
    };
    judged.root_dev = dev;
    if let Some(entry) = CGROUPS.get_ptr_mut(&judged.container_id) {
        // SAFETY: a value of a map, valid while the program runs; two CPUs
        // that are first at once write the same.
        unsafe { (*entry).root_dev = dev };
    }
}
