//! The agent with real containers, from their first exec to the record that a
//! real rsyslogd received.
//!
//! - [`scene`]: what every test here stands on, and how it ends: the counts add
//!   up, and exactly the expected records came
//! - [`expect`]: how an expected record is written
//! - [`modes`], [`documents`], [`restarts`], [`host`]: what the agent does when
//! - [`signatures`]: documents that have to be signed
//! - [`ordinary_days`], [`day`]: no alert for what is ordinary
//! - [`learning`]: when learning ends, what it never takes in, new images
//! - [`releases`]: what was learned with a wildcard
//! - [`disguises`], [`nested`], [`masses`], [`hostile_names`]: ways around it
//! - [`crowds`]: five hundred at once
//! - [`pods`], [`engines`]: containers are named by their runtimes' word
//! - [`survival`], [`storms`]: what goes on when the agent does not
//! - [`blocking`]: what deviates is stopped; [`techniques`]: by every road
//! - [`canary`]: the agent's own exec that has to be reported
//! - [`tampering`]: rules that somebody else wrote to
//! - [`slow_runtimes`]: and where that comes late
//! - [`pods`], [`kube`], [`teams`]: what is known of pods, and what their teams ask
//!   for; [`cluster`] has them
//! - [`sinks`], [`encrypted`], [`webhooks`]: where records go
//! - [`alerts`], [`decisions`], [`allowances`], [`promotions`]: what an operator
//!   asks of the running agent
//! - [`simulate`]: the journal, and what documents would have reported of it
//! - [`commands`], [`refusals`]: exit statuses and sentences
//! - [`doctor`]: what it finds
//! - [`confinement`]: what the agent gives up, and what it goes on doing without
//! - [`circumstances`]: the program without rights, mounts or capabilities
//! - [`systemd`]: what systemd is told
//! - [`image`]: the agent in a container, as its DaemonSet has it

mod alerts;
mod allowances;
mod applets;
mod arguments;
pub mod blocking;
mod breakouts;
mod canary;
mod chains;
mod circumstances;
mod cluster;
mod commands;
mod conditions;
mod confinement;
mod contents;
mod crowds;
pub mod day;
mod decisions;
mod disguises;
mod disk;
mod doctor;
mod documents;
mod drift;
mod edits;
mod encrypted;
mod engines;
mod escapes;
mod evidence;
mod expect;
mod host;
mod hostile_names;
pub mod image;
mod injected;
mod inodes;
mod kube;
mod learning;
mod loaders;
mod long_paths;
pub mod masses;
mod metrics;
pub mod modes;
mod namespaces;
mod nested;
mod ordinary_days;
mod pods;
mod promotions;
mod races;
pub mod refusals;
mod releases;
mod restarts;
mod reuse;
mod roads;
mod roots;
mod runtimes;
pub mod scene;
mod scripts;
mod signatures;
mod simulate;
mod sinks;
mod slow_runtimes;
mod storms;
mod survival;
mod systemd;
mod tampering;
mod teams;
mod techniques;
mod webhooks;

use crate::harness::{Named, tests};

/// Every test here.
pub const TESTS: &[Named] = tests![
    modes: learns_then_enforces, learn_mode_reports_only_what_is_never_learned,
        a_container_without_allowlist_is_told_of_once, a_written_document_is_enforced;
    documents: a_changed_document_is_applied, a_broken_document_changes_nothing_and_is_named,
        a_swapped_folder_is_applied, sighup_reads_everything_again,
        an_allowlist_without_a_container_is_listed;
    signatures: an_unsigned_document_does_not_count_and_a_signed_one_does,
        an_unsigned_document_is_not_taken_for_the_agents_own,
        keys_are_read_again_and_kept_where_they_cannot_be,
        without_its_keys_the_agent_does_not_start;
    edits: an_edited_document_counts_at_once,
        what_was_learned_is_edited_into_a_persons_document;
    survival: what_runs_while_there_is_no_agent_is_told,
        what_runs_while_there_is_no_agent_is_learned_without_a_gap,
        b27_what_deviates_is_stopped_while_there_is_no_agent,
        what_starts_while_there_is_no_agent_is_not_stopped,
        without_pins_nothing_is_stopped_when_the_agent_has_ended,
        the_off_switch_needs_no_agent,
        what_was_pinned_by_another_version_is_replaced,
        what_is_left_is_removed_when_it_is_told,
        b28_who_unpins_or_turns_the_programs_is_told_of_and_undone,
        b28_who_unmounts_what_the_programs_are_pinned_in_is_told_of;
    storms: an_agent_that_is_killed_again_and_again_tells_of_every_exec_once,
        an_agent_that_is_killed_while_it_tells_tells_of_all_of_it_once,
        no_exec_is_missed_or_doubled_by_upgrades;
    restarts: learning_goes_on_after_a_restart, learning_goes_on_after_a_crash,
        what_was_extended_without_a_container_is_so_after_a_crash,
        what_runs_before_the_agent_is_learned_and_marked, what_runs_before_the_agent_is_enforced,
        a_container_that_starts_as_the_agent_ends_is_not_lost;
    learning: it_ends_when_time_quiet_and_starts_hold,
        what_was_never_seen_to_start_is_incomplete_until_a_person_lets_it_learn_on,
        a_person_may_be_the_one_who_ends_it, b23_what_attacks_while_it_learns_is_not_learned,
        a_new_image_is_one_notice;
    host: a_unit_learns_and_is_enforced;
    pods: a_pod_is_named_by_its_runtime, a_pod_of_cri_o_is_named_by_it,
        a_runtime_that_is_away_is_waited_for, an_agent_that_ends_waits_for_a_slow_runtime,
        containers_of_a_moment_are_named_by_a_slow_runtime,
        a_runtime_that_never_answers_is_not_waited_for_for_ever;
    engines: replicas_are_named_by_docker, docker_that_starts_anew_is_waited_for,
        containers_of_a_moment_are_named_by_a_slow_docker,
        what_docker_does_not_tell_is_named_by_files;
    blocking: what_deviates_is_stopped_and_told,
        what_may_not_run_under_any_name_is_refused_where_the_kernel_asks,
        what_the_runtime_puts_in_is_let_through_unless_told_otherwise,
        an_entrypoint_that_is_not_listed_does_not_live,
        what_only_the_agent_can_tell_is_stopped_from_then_on,
        what_only_the_agent_can_tell_is_denied_until_it_has,
        an_operator_blocks_a_workload_that_is_fit_for_it,
        a_workload_that_does_not_stay_up_is_not_blocked_any_more,
        an_ordinary_life_under_blocking_is_not_disturbed;
    techniques: every_technique_is_stopped_before_its_first_instruction;
    disguises: b02_another_file_under_a_listed_name, b03_forged_argv0_and_process_name,
        b07_programs_in_memory, b08_files_without_a_name, b09_one_file_by_every_spelling;
    drift: b10_programs_of_the_writable_layer;
    namespaces: b13_another_file_under_a_listed_name_in_new_namespaces;
    roots: b14_a_chroot, b14_a_pivot_root;
    runtimes: b20_a_runtime_is_not_reported, b20_a_runtime_is_not_learned,
        b20_an_imitation_of_the_runtime_is_fileless;
    slow_runtimes: a_container_that_is_still_being_written_down_is_waited_for;
    injected: b21_who_comes_from_outside_is_judged_as_the_container,
        b21_who_shares_its_processes_is_judged_as_itself,
        b23_what_a_person_does_at_a_terminal_is_not_learned, a_probe_is_learned_as_one,
        a_person_at_a_terminal_is_learned_where_the_operator_says_so;
    escapes: b15_who_left_is_judged_as_what_it_left,
        b15_who_went_to_a_neighbour_is_not_judged_by_its_list;
    long_paths: b26_a_path_that_is_too_long_is_reported;
    reuse: b29_a_process_id_that_was_anothers;
    roads: b34_by_the_32_bit_call_and_from_a_32_bit_program, b34_by_a_binfmt_of_its_own;
    inodes: b12_another_file_with_the_number_of_a_known_one;
    scripts: b10_scripts_of_the_writable_layer, b14_another_script_under_a_listed_name;
    chains: b04_another_script_of_a_listed_interpreter,
        b04_chains_are_learned_and_enforced, b04_a_listed_script_with_another_content;
    arguments: b05_code_in_arguments_is_held_to_a_pattern,
        b05_code_in_arguments_is_not_seen_without_a_pattern,
        b05_code_in_arguments_is_learned_while_it_is_little;
    contents: b11_another_content_is_modified_at_its_first_exec,
        b11_another_content_is_not_looked_at_where_digests_are_recorded;
    applets: b22_an_applet_is_learned_and_no_other_by_any_road,
        b22_hard_links_are_told_apart_by_path_and_name,
        b22_a_file_of_several_names_is_one_program_for_each;
    conditions: parents_are_held_to, users_are_held_to;
    evidence: a_record_has_where_it_ran_and_below_whom,
        a_record_has_what_a_file_gives_to_who_runs_it;
    ordinary_days: an_ordinary_life_gives_no_alert;
    day: a_day_of_twenty_containers;
    loaders: b06_a_loader_run_directly, b06_a_loader_is_never_learned,
        b06_a_listed_loader_loads_nothing_that_was_written_later_where_the_kernel_asks;
    breakouts: b36_a_descriptor_of_the_nodes_root, b36_nsenter_to_the_nodes_files,
        b36_an_orphan_among_the_nodes_files;
    releases: a_new_release_is_known_and_another_folder_is_not;
    races: b01_a_path_rewritten_while_the_call_runs;
    nested: b16_a_child_cgroup_belongs_to_its_container,
        b16_a_container_in_a_container_belongs_to_the_outer,
        b16_runc_inside_a_container_belongs_to_the_outer,
        a_pods_container_is_named_by_its_controller;
    hostile_names: b31_every_name_is_one_record;
    sinks: records_arrive_over_udp, records_arrive_over_tcp,
        records_wait_for_a_receiver_that_went_away,
        records_outlive_an_agent_that_is_killed, what_nobody_read_is_sent_again,
        a_full_disk_under_a_spool_costs_no_record,
        a_full_disk_and_an_agent_that_is_killed_cost_no_record,
        whatever_a_receiver_does_an_agent_that_is_killed_costs_no_record,
        a_test_goes_to_every_target_and_a_heartbeat_too;
    encrypted: records_arrive_encrypted_at_who_asks_for_a_certificate,
        what_was_refused_is_sent_with_another_certificate,
        what_was_refused_outlives_an_agent_that_is_killed,
        encrypted_records_outlive_both_ends;
    canary: the_canary_passes_and_counts_for_nobody,
        b28_a_canary_that_nobody_is_told_of_is_told, a_helper_that_was_killed_is_replaced,
        a_canary_without_a_place_is_told, an_agent_that_is_killed_leaves_no_cgroup,
        a_receiver_that_takes_nothing_is_told_to_the_others;
    tampering: b37_rules_that_somebody_else_changed_are_put_back,
        b28_a_map_that_somebody_froze_is_told_of_and_the_next_agent_has_another;
    webhooks: a_webhook_has_all_when_the_agent_was_killed;
    alerts: alerts_are_kept_and_explained, alerts_survive_a_crash, a_full_disk_costs_no_alert;
    decisions: an_accepted_alert_is_known_until_that_is_taken_back,
        what_is_accepted_is_as_narrow_as_what_ran, what_was_removed_is_not_learned_and_taken_away,
        a_persons_document_is_held_to_what_was_removed_and_not_written;
    allowances: what_a_workload_may_run_for_a_time_is_counted_and_not_reported,
        an_allowance_ends_on_time_also_while_there_is_no_agent,
        what_runs_in_an_allowance_is_not_learned;
    promotions: a_workload_is_enforced_when_the_operator_says_so,
        what_was_learned_with_gaps_is_enforced_only_as_it_is,
        workloads_are_found_by_namespace_and_label, a_persons_document_says_its_mode_itself;
    simulate: a_candidate_is_told_what_it_lacks_and_what_it_has_in_vain,
        what_the_kernel_knew_is_in_the_journal, conditions_are_judged_as_far_as_they_were_seen,
        a_gap_is_told_and_a_damaged_journal_begins_anew;
    commands: commands_end_with_a_status_that_means_something, sigterm_ends_it_within_a_second,
        a_stuck_receiver_does_not_hold_the_end_up;
    doctor: doctor_finds_a_fit_node_fit, doctor_finds_a_receiver_that_is_away,
        doctor_names_what_a_missing_right_costs, doctor_finds_a_kernel_that_lacks_something,
        doctor_names_what_it_costs_to_have_no_tracefs,
        doctor_finds_the_api_server_as_a_pod_does,
        doctor_names_what_is_wrong_with_the_configuration,
        doctor_leaves_a_running_agent_alone_and_tells_its_last_alert;
    confinement: every_thread_has_given_up_what_only_the_start_needs,
        a_closed_file_of_another_user_is_read_and_not_written;
    metrics: metrics_and_health_are_there_where_they_are_asked_for,
        prometheus_takes_the_rules_and_answers_the_dashboard;
    systemd: systemd_hears_ready_alive_and_stopping;
    image: image_runs_with_the_daemonsets_rights_and_no_other,
        image_names_a_container_that_is_not_written_down_yet;
    teams: a_debug_container_is_reported_from_its_first_exec, a_teams_annotations_tighten,
        a_teams_annotations_count_as_the_operator_says, a_workload_goes_by_its_newest_pod,
        a_class_that_is_off_is_told_of;
    kube: a_pod_is_what_the_api_server_says, a_pod_that_is_not_known_yet_is_waited_for,
        a_pod_that_never_comes_is_not_waited_for_for_ever, a_static_pod_is_not_waited_for,
        an_api_server_that_is_away_costs_nothing, an_api_server_may_come_later,
        a_namespace_speaks_for_its_pods;
    refusals: without_root, without_cgroup_v2, without_btf, with_a_syslog_url_that_is_none, with_a_target_named_twice,
        with_an_unknown_key, with_the_state_of_another_agent;
    masses: b19_the_first_exec_is_never_lost, b24_one_exec_in_a_flood,
        b32_a_storm_of_many_is_few_records;
    crowds: five_hundred_containers_at_once_are_named_and_judged,
        a_workload_for_which_there_is_no_slot_is_judged_and_not_stopped;
];
