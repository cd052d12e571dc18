//! The programs in the running kernel, seen through their maps and their ring.
//! Every test loads its own, and ends with the counts held against the execs
//! that it made: exactly.

mod applets;
mod blocking;
mod breakouts;
mod cgroups;
mod container;
mod details;
pub mod fileless;
pub mod files;
mod floods;
pub mod layers;
mod libraries;
mod names;
mod paths;
pub mod refusals;
pub mod scripts;
mod stand_ins;
mod tampering;
mod trial;
pub mod verdict;
mod verifier;
pub mod watch;

use crate::harness::{Named, by_stand_in, tests};

/// How an exec is judged, whoever judges it.
macro_rules! judged {
    ($list:ident) => {
        $list![
            verdict:
                a_known_exec_is_counted_and_nothing_more,
                a_second_exec_is_known_without_asking_the_allowlist,
                a_known_exec_stays_known_in_another_directory,
                a_new_exec_is_told_once_and_then_counted,
                each_container_is_told_of_on_its_own,
                a_deviation_carries_its_evidence,
                an_exec_by_a_hand_from_outside_is_marked,
                a_written_file_is_judged_anew,
                a_file_that_was_only_looked_at_stays_known,
                a_new_generation_forgets_every_verdict,
                what_is_known_is_marked_once_for_each_generation,
                what_is_switched_off_is_counted_as_ignored;
            layers:
                a_file_of_the_image_is_image_and_one_written_later_is_upper,
                a_known_file_of_the_image_deviates_once_it_is_changed,
                another_mount_is_a_volume_even_of_the_same_disk,
                an_overlay_that_the_container_mounts_is_no_image,
                a_file_on_a_tmpfs_is_tmpfs,
                a_file_through_a_mount_of_the_host_is_host,
                a_process_in_the_hosts_namespace_is_marked,
                overlayfs_keeps_its_upper_dentry_behind_the_inode;
            fileless:
                b07_memfd_is_memory_whatever_its_name,
                b08_a_deleted_file_is_memory,
                b08_a_deleted_name_is_memory_though_the_file_has_another,
                b08_o_tmpfile_is_memory_on_a_disk_and_on_a_tmpfs;
            names:
                b02_a_listed_name_covers_only_the_images_own_file,
                b03_a_forged_name_is_evidence_and_no_key,
                b09_every_spelling_of_a_file_is_one_identity,
                b09_a_hard_link_is_another_name;
            paths:
                a_chroot_does_not_shorten_the_path,
                a_path_begins_at_the_containers_own_root,
                a_deep_or_long_path_is_whole,
                a_path_that_is_too_deep_or_too_long_is_an_error_and_never_known;
            scripts:
                b04_a_script_and_its_interpreter_are_one_identity,
                b04_an_interpreters_loader_is_no_script,
                b04_an_interpreters_loader_on_overlayfs_is_no_script,
                b04_a_chain_of_scripts_is_one_identity_however_long,
                b04_a_script_in_the_place_of_a_program_is_told_from_what_it_replaced,
                b04_a_changed_script_is_judged_anew,
                an_allowed_script_allows_no_other_and_not_its_interpreter,
                an_allowed_interpreter_allows_no_script,
                a_scripts_path_is_kept_up_to_its_bound;
            applets:
                b22_an_applet_is_resolved_as_the_binary_does,
                b22_coreutils_option_names_the_applet,
                b22_a_program_is_allowed_under_any_name_but_not_a_hard_link,
                each_name_is_told_where_names_are_learned;
            breakouts:
                b36_a_directory_of_the_hosts_is_never_known,
                b36_a_file_of_the_hosts_is_outside,
                b36_outside_a_listed_layer_is_not_enough,
                b36_in_the_hosts_namespace_ones_own_file_is_not_enough,
                b13_a_namespace_of_its_own_is_not_outside,
                b21_what_was_put_into_the_container_is_injected;
            details:
                arguments_are_looked_at_once_each,
                arguments_are_kept_up_to_their_bound_and_marked,
                content_is_looked_at_once_for_each_state_of_the_file,
                users_and_parents_are_looked_at,
                everything_is_looked_at_before_anybody_knows_the_container;
            blocking:
                what_is_not_listed_dies_before_its_first_instruction,
                b22_an_applet_dies_that_is_not_listed,
                b26_what_cannot_be_identified_dies,
                what_has_to_be_looked_at_runs_until_it_was_refused,
                what_has_to_be_looked_at_dies_until_it_was_cleared,
                what_a_pattern_may_cover_is_told_by_its_layer,
                the_runtimes_own_hand_is_let_through,
                a_container_that_is_spared_runs_what_it_likes;
            refusals:
                what_may_run_under_no_name_is_refused_where_the_kernel_asks,
                who_is_refused_goes_on,
                b04_a_script_is_stopped_though_its_interpreter_may_run,
                b07_a_program_in_memory_is_stopped,
                what_only_a_name_or_a_condition_decides_dies,
                what_is_no_program_of_this_machine_is_not_judged,
                what_is_refused_is_told_with_as_many_arguments_as_fit;
            cgroups:
                an_exec_before_anybody_knows_the_container_is_kept_with_its_cgroup,
                b16_a_child_cgroup_belongs_to_its_container,
                b16_a_child_cgroup_older_than_its_containers_name_belongs_to_it,
                b15_who_leaves_the_container_is_judged_as_the_container,
                b15_who_leaves_from_the_hosts_namespace_is_told_by_its_ancestors,
                b15_who_is_left_behind_is_no_runtimes_stage,
                b17_cgroup_ids_are_not_reused,
                children_of_a_container_go_with_their_folder,
                cgroups_of_a_v1_hierarchy_are_none_of_ours;
        ]
    };
}

/// Every test here, but for those of [`JUDGED_BY_STAND_IN`].
pub const TESTS: &[Named] = judged!(tests);

/// What is left when the program that judges execs never comes to it.
pub const JUDGED_BY_STAND_IN: &[Named] = judged!(by_stand_in);

/// More of [`TESTS`]: what is not about one exec.
pub const OTHERS: &[Named] = tests![    floods:
        b24_a_full_ring_loses_nothing,
        the_ring_remembers_how_full_it_was,
        b25_what_is_over_the_quota_is_counted_and_hides_nobody_else,
        every_cpu_counts_and_one_of_them_is_first,
        no_run_of_a_program_is_missed;
    blocking:
        b24_what_finds_ring_and_quota_full_dies_all_the_same,
        what_found_no_place_in_the_allowlist_dies;
    cgroups:
        a_new_cgroup_is_told_of_with_who_made_it;
    libraries:
        what_was_written_after_the_start_is_not_loaded_where_the_kernel_asks;
    tampering:
        b37_what_somebody_else_wrote_is_found_and_put_back;
    verifier:
        the_verifier_walks_no_more_than_is_written_down;
    trial:
        what_is_only_tried_disturbs_nobody_and_leaves_nothing;
];

/// The stand-in beside the program.
pub const BOTH: &[Named] = tests![
    stand_ins:
        an_exec_is_judged_once_whichever_comes_first;
];
