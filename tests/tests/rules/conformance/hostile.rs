//! Hostile inputs 1 to 24.

use super::{Must, NotServer, Passes, Row};

/// All of them, in order.
#[rustfmt::skip]
pub(super) const ITEMS: &[Row] = &[
    (1, Must, "bombs of SDP: refused within a second, memory given back", Passes, &["hostile::bodies::h01_a_bomb_of_sdp_is_refused_at_once_and_its_memory_given_back"]),
    (2, Must, "slow clients hold up nobody and are dropped", Passes, &["hostile::bodies::h02_slow_clients_hold_up_nobody_and_are_dropped", "access::people::clients_that_never_end_their_headers_hold_up_nobody_and_are_dropped"]),
    (3, Must, "lengths that lie, chunks, smuggled requests", Passes, &["hostile::bodies::h03_lengths_that_lie_and_smuggled_requests_end_the_connection"]),
    (4, Must, "odd names in addresses", Passes, &["hostile::names::h04_odd_names_lead_nowhere_and_are_never_markup"]),
    (5, Must, "sources that want to be pipelines or commands", Passes, &["hostile::names::h05_no_source_becomes_a_pipeline_or_a_command"]),
    (6, Must, "PATCH and DELETE of another's session", Passes, &["hostile::clients::h06_nobody_else_ends_or_changes_a_session_whose_id_is_known"]),
    (7, Must, "guessing session ids", Passes, &["hostile::clients::h07_session_ids_show_no_pattern_and_guesses_take_equally_long"]),
    (8, Must, "offers without ICE afterwards: limited, freed", Passes, &["hostile::flood::h08_offers_without_ice_afterwards_are_refused_beyond_a_limit_and_freed"]),
    (9, Must, "a flood of PATCHes", Passes, &["hostile::flood::h09_a_flood_of_patches_is_limited_and_takes_no_port_and_no_descriptor"]),
    (10, Must, "pages of other sites, names pointed here", Passes, &["hostile::clients::h10_pages_of_other_sites_and_names_that_were_pointed_here_are_refused"]),
    (11, Must, "guessed credentials, forged and oversized tokens", Passes, &["hostile::clients::h11_guessing_waits_is_logged_and_delays_nobody_and_a_token_of_1_mib_is_refused", "access::jwt::tokens_that_are_not_right_are_401"]),
    (12, Must, "line ends in credentials and names", Passes, &["hostile::names::h12_line_ends_in_servers_and_names_stop_the_start"]),
    (13, Must, "source URLs of other schemes, redirects", Passes, &["hostile::names::h13_sources_of_other_schemes_are_refused_and_redirects_lead_to_no_file"]),
    (14, Must, "Unicode, NUL, CR, doubled names in SDP", Passes, &["hostile::bodies::h14_odd_characters_and_doubled_names_in_sdp_are_refused_or_harmless"]),
    (15, Must, "the ClientHello race", Passes, &["hostile::peers::h15_a_foreign_client_hello_before_ice_does_not_take_the_session"]),
    (16, Must, "malformed, forged and unfinished DTLS", Passes, &["hostile::peers::h16_dtls_that_is_malformed_forged_or_never_finished_ends_nobody_else"]),
    (17, Must, "a certificate that was not named", Passes, &["hostile::peers::h17_a_certificate_that_was_not_named_gets_nothing_and_gives_nothing"]),
    (18, Must, "wrong STUN, 5,000 a second, conflicts of roles", Passes, &["hostile::ice::h18_stun_that_is_wrong_or_comes_in_floods_changes_no_session", "hostile::ice::h18_strangers_at_the_tcp_port_of_media_are_sent_away_and_hold_up_nobody"]),
    (19, Must, "RTP from elsewhere, replayed, changed", Passes, &["hostile::rtp::h19_rtp_from_another_address_or_sent_again_reaches_no_viewer"]),
    (20, Must, "nonsense after decryption", Passes, &["hostile::rtp::h20_nonsense_after_decryption_harms_nobody", "hostile::rtcp::h20_rtcp_that_lies_about_its_lengths_harms_nobody"]),
    (21, Must, "storms of NACK and PLI, absurd REMB, nonsense as TWCC", Passes, &["hostile::rtp::h21_storms_of_nack_and_pli_and_absurd_remb_slow_nobody", "hostile::rtcp::h21_nonsense_as_twcc_and_endless_nacks_slow_nobody", "hostile::rtcp::h21_transport_wide_feedback_is_cut_out_before_gstreamer_sees_it", "conformance::media::c69_pli_and_fir_bring_a_key_frame_but_not_more_than_one_a_second"]),
    (22, Must, "candidates that point at others", Passes, &["hostile::ice::h22_candidates_make_the_gateway_send_nothing_at_groups_services_or_for_long"]),
    (23, Must, "a TURN server that is dead or slow", NotServer("clients use TURN servers, Sluice only names them"), &["conformance::trickle::c42_the_answer_has_all_candidates_and_does_not_wait_for_a_dead_server", "nat::turn_takes_the_minted_credentials_and_no_others"]),
    (24, Must, "a viewer that is killed, sleeps or moves", Passes, &["hostile::peers::h24_a_viewer_that_sleeps_a_little_plays_on_and_one_that_dies_harms_nobody", "hostile::peers::h24_a_viewer_whose_address_changes_plays_again_with_a_new_session", "restart::chromium_changes_its_network_and_plays_on_in_the_same_session", "viewers::a_killed_viewer_is_gone_within_35_seconds"]),
];
