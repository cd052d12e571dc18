//! The agent with real containers, from their first exec to the record that a
//! real rsyslogd received.
//!
//! - [`scene`]: what every test here stands on, and how it ends: the counts add
//!   up, and exactly the expected records came
//! - [`expect`]: how an expected record is written
//! - [`modes`], [`documents`], [`restarts`], [`host`]: what the agent does when
//! - [`disguises`], [`nested`], [`masses`], [`hostile_names`]: ways around it
//! - [`sinks`]: where records go
//! - [`commands`], [`refusals`]: exit statuses and sentences
//! - [`doctor`]: what it finds
//! - [`circumstances`]: the program without rights, mounts or capabilities
//! - [`systemd`]: what systemd is told

mod circumstances;
mod commands;
mod disguises;
mod doctor;
mod documents;
mod expect;
mod host;
mod hostile_names;
mod masses;
mod modes;
mod nested;
mod refusals;
mod restarts;
mod scene;
mod sinks;
mod systemd;

use crate::harness::{Named, tests};

/// Every test here.
pub const TESTS: &[Named] = tests![
    modes: learns_then_enforces, learn_mode_reports_only_what_is_never_learned,
        a_container_without_allowlist_is_told_of_once, a_written_document_is_enforced;
    documents: a_changed_document_is_applied, a_broken_document_changes_nothing_and_is_named,
        a_swapped_folder_is_applied, sighup_reads_everything_again;
    restarts: learning_goes_on_after_a_restart, learning_goes_on_after_a_crash,
        what_runs_before_the_agent_is_learned_and_marked, what_runs_before_the_agent_is_enforced,
        a_container_that_starts_as_the_agent_ends_is_not_lost;
    host: a_unit_learns_and_is_enforced;
    disguises: b02_another_file_under_a_listed_name, b03_forged_argv0_and_process_name,
        b07_programs_in_memory, b08_files_without_a_name, b09_one_file_by_every_spelling,
        b10_files_of_the_writable_layer;
    nested: b16_a_child_cgroup_belongs_to_its_container,
        b16_a_container_in_a_container_belongs_to_the_outer,
        b16_runc_inside_a_container_belongs_to_the_outer,
        a_pods_container_is_named_by_its_controller;
    hostile_names: b31_every_name_is_one_record;
    sinks: records_arrive_over_udp, records_arrive_over_tcp,
        records_wait_for_a_receiver_that_went_away;
    commands: commands_end_with_a_status_that_means_something, sigterm_ends_it_within_a_second,
        a_stuck_receiver_does_not_hold_the_end_up;
    doctor: doctor_finds_a_fit_node_fit, doctor_finds_a_receiver_that_is_away,
        doctor_names_what_a_missing_right_costs, doctor_finds_a_kernel_that_lacks_something,
        doctor_names_what_is_wrong_with_the_configuration,
        doctor_leaves_a_running_agent_alone_and_tells_its_last_alert;
    systemd: systemd_hears_ready_alive_and_stopping;
    refusals: without_root, without_cgroup_v2, without_btf, with_a_syslog_url_that_is_none,
        with_an_unknown_key, with_the_state_of_another_agent;
    masses: b19_the_first_exec_is_never_lost, b24_one_exec_in_a_flood;
];
