//! URL parameters that identify one person or one click.

/// Further such parameters: of mailings, of unpaid results, of advertising, and of sites that pass
/// a visitor on.
///
/// The names are from the lists of Brave and AdGuard, from public registries, and from makers'
/// documentation. Names of campaigns, messages and keywords are absent: they identify no one.
#[rustfmt::skip]
pub const PERSONS: &[&str] = &[
    // Mailings and customer platforms.
    "__hsfp", "__hssc", "__hstc", "_bhlid", "_bta_c", "_bta_tid", "_cldee", "_hsenc", "_hsmi", "ajs_aid", "ajs_uid",
    "at_recipient_id", "at_recipient_list", "bbeml", "bsft_aaid", "bsft_eid", "bsft_ek", "bsft_mid", "bsft_uid", "cio_id",
    "ck_subscriber_id", "elqtrackid", "et_rid", "hsctatracking", "hsutk", "hubspotutk", "klaviyo_id", "mc_eid", "midsig",
    "midtoken", "mindbox_click_id", "mindbox_message_key", "mkt_tok", "ml_subscriber", "ml_subscriber_hash", "oft_ck",
    "oft_id", "oft_ids", "oft_lk", "oft_sk", "omnisend_attribution_id", "omnisend_contact_id", "recipientid",
    "redirect_log_mongo_id", "redirect_mongo_id", "sc_customer", "sfmc_id", "sfmc_sub", "sfmc_subscriber",
    "sfmc_subscriber_key", "sms_click", "sms_source", "sms_uph", "spjobid", "spuserid", "ss_email_id", "trk_contact",
    "trk_msg", "trk_sid", "trkemail", "utm_klaviyo_id", "utm_session", "utm_userid", "vero_conv", "vero_id",
    "vgo_ee", "wickedid",
    // Hashes of e-mail addresses, and the addresses.
    "email_hash", "email_md5", "email_sha256", "hashed_email", "md5_email", "sha256_email", "user_email_address",
    // Advertising ids of devices.
    "advertising_id", "android_id", "appsflyer_id", "adjust_referrer", "adjust_reftag", "device_ifa", "gaid",
    "google_aid", "gps_adid", "idfa", "idfv", "ios_idfa", "ios_ifa", "kochava_device_id", "oaid",
    // Clicks, by names that do not end as those of most networks do.
    "_branch_match_id", "_branch_referrer", "_fbc", "_fbp", "_openstat", "_zucks_suid", "admitad_uid", "adobe_mc",
    "adobe_mc_ref", "adobe_mc_sdid", "auctid", "bd_vid", "clickref", "cto_pld", "ebisadid", "ef_id", "famad_xuid",
    "fb_action_ids", "fb_comment_id", "gclsrc", "mibextid", "mtm_cid", "napm", "oly_anon_id", "oly_enc_id",
    "pk_cid", "pk_vid", "ransiteid", "rdt_uuid", "rtkcid", "s_kwcid", "srsltid", "sscid", "tduid", "ttd_uid", "uclick",
    "uclickhash", "vmcid", "zanpid",
    // Sites that pass a visitor on, and links that a person shares.
    "guce_referrer", "guce_referrer_sig", "igsh", "igshid", "igshwid", "sec_uid", "sec_user_id", "share_link_id",
];

/// Such names that equal words, or others' names, without their `_`: they match only as written.
#[rustfmt::skip]
pub const PERSONS_EXACTLY: &[&str] = &[
    "__io_lv", "__s", "_clde", "_ga", "_gac", "_gcl_au", "_gcl_aw", "_gcl_dc", "_gid", "_gl", "_io_session_id", "_ke",
    "_kx", "_pk_id", "_ttp", "_ym_uid", "a8", "dm_i", "elq", "h_sid", "h_slt", "lipi", "maf", "oft_c",
    "oft_d", "oft_k", "s_cid", "s_vi", "sc_eh", "sc_uid",
];

/// The ends of the names that networks give to the id of a click: `gclid`, `msclkid`, `wbraid`,
/// `unicorn_click_id`.
pub const CLICK_ENDS: &[&str] = &["clid", "clkid", "clickid", "clickids", "gbraid", "wbraid"];

/// A word that ends so by chance.
pub const NO_CLICKS: &[&str] = &["euclid"];
