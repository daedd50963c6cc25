//! URL parameters that identify one person or one click.

/// Further such parameters: of mailings, of unpaid results, and of sites that pass a visitor on.
///
/// The names are from Brave's and Firefox's lists of parameters to strip, with more of the same
/// makers.
#[rustfmt::skip]
pub const PERSONS: &[&str] = &[
    "__hsfp", "__hssc", "__hstc", "_bhlid", "_branch_match_id", "_branch_referrer", "_fbc", "_fbp", "_hsenc", "_hsmi",
    "_openstat", "adobe_mc", "at_recipient_id", "at_recipient_list", "bbeml", "bsft_aaid", "bsft_clkid", "bsft_eid",
    "bsft_ek", "bsft_mid", "bsft_uid", "ck_subscriber_id", "elqtrackid", "et_rid", "fb_action_ids", "fb_comment_id",
    "gclsrc", "guce_referrer", "guce_referrer_sig", "hsctatracking", "igsh", "igshid", "mc_eid", "mkt_tok",
    "ml_subscriber", "ml_subscriber_hash", "mtm_cid", "oft_ck", "oft_id", "oft_ids", "oft_lk", "oft_sk", "oly_anon_id",
    "oly_enc_id", "pk_cid", "rb_clickid", "sc_customer", "sfmc_sub", "sms_click", "sms_source", "sms_uph", "srsltid",
    "ss_email_id", "syclid", "trk_contact", "trk_msg", "trk_sid", "unicorn_click_id", "vero_conv", "vero_id", "vgo_ee",
    "wickedid", "ymclid", "ysclid",
];

/// Such names that equal words, or others' names, without their `_`: they match only as written.
#[rustfmt::skip]
pub const PERSONS_EXACTLY: &[&str] = &[
    "__s", "_ga", "_gl", "_ke", "_kx", "dm_i", "oft_c", "oft_d", "oft_k", "s_cid", "sc_eh", "sc_uid",
];
