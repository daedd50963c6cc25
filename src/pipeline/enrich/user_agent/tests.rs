//! Tests agents of recent years, hints, and the limits that hold for any agent.

use proptest::prelude::*;

use super::*;

/// Returns `browser version / os version / class / model`, with a dash for an absent part.
fn shown(agent: &UserAgent) -> String {
    let dash = |text: Option<&str>| text.unwrap_or("-").to_owned();
    format!(
        "{} {} / {} {} / {} / {}",
        dash(agent.browser.as_deref()),
        dash(agent.browser_version.as_deref()),
        dash(agent.os),
        dash(agent.os_version.as_deref()),
        dash(agent.device_class.map(DeviceClass::as_str)),
        dash(agent.device_model.as_deref()),
    )
}

#[test]
fn common_agents_are_parsed_without_hints() {
    const WEBKIT: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
    const APPLE: &str = "AppleWebKit/605.1.15 (KHTML, like Gecko)";
    let cases = [
        (
            format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/126.0.0.0 Safari/537.36"
            ),
            "Chrome 126 / Windows 10 / desktop / -",
        ),
        (
            format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/131.0.0.0 Safari/537.36 Edg/131.0.2903.86"
            ),
            "Edge 131.0.2903.86 / Windows 10 / desktop / -",
        ),
        (
            format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/124.0.0.0 Safari/537.36 OPR/110.0.0.0"
            ),
            "Opera 110 / Windows 10 / desktop / -",
        ),
        (
            format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/124.0.0.0 YaBrowser/24.6.0.0 Safari/537.36"
            ),
            "Yandex Browser 24.6 / Windows 10 / desktop / -",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:127.0) Gecko/20100101 Firefox/127.0"
                .to_owned(),
            "Firefox 127 / Windows 10 / desktop / -",
        ),
        (
            "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
                .to_owned(),
            "Firefox 128 / Linux - / desktop / -",
        ),
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:127.0) Gecko/127.0 Firefox/127.0".to_owned(),
            "Firefox 127 / Android 14 / mobile / -",
        ),
        (
            format!(
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {APPLE} Version/17.5 Safari/605.1.15"
            ),
            "Safari 17.5 / macOS - / desktop / -",
        ),
        (
            format!(
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {WEBKIT} Chrome/126.0.0.0 Safari/537.36"
            ),
            "Chrome 126 / macOS - / desktop / -",
        ),
        (
            format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) {APPLE} Version/17.5 Mobile/15E148 Safari/604.1"
            ),
            "Safari 17.5 / iOS 17.5.1 / mobile / iPhone",
        ),
        (
            format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) {APPLE} Version/26.0 Mobile/15E148 Safari/604.1"
            ),
            "Safari 26 / iOS 26 / mobile / iPhone",
        ),
        (
            format!(
                "Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X) {APPLE} Version/16.6 Mobile/15E148 Safari/604.1"
            ),
            "Safari 16.6 / iPadOS 16.7 / tablet / iPad",
        ),
        (
            format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {APPLE} CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1"
            ),
            "Chrome 126.0.6478.54 / iOS 17.5 / mobile / iPhone",
        ),
        (
            format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {APPLE} FxiOS/127.0 Mobile/15E148 Safari/605.1.15"
            ),
            "Firefox 127 / iOS 17.5 / mobile / iPhone",
        ),
        (
            format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {APPLE} EdgiOS/125.0.2535.96 Version/17.0 Mobile/15E148 Safari/604.1"
            ),
            "Edge 125.0.2535.96 / iOS 17.5 / mobile / iPhone",
        ),
        (
            format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {APPLE} GSA/323.0.647062479 Mobile/15E148 Safari/604.1"
            ),
            "Google App 323.0.647062479 / iOS 17.5 / mobile / iPhone",
        ),
        (
            format!("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {APPLE} Mobile/15E148"),
            "Apple WebView - / iOS 17.5 / mobile / iPhone",
        ),
        (
            format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) {APPLE} Mobile/21F90 Instagram 336.0.8.28.99 (iPhone14,5; iOS 17_5_1; en_US; en; scale=3.00; 1170x2532; 609775437)"
            ),
            "Instagram 336.0.8.28.99 / iOS 17.5.1 / mobile / iPhone",
        ),
        (
            format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) {APPLE} Mobile/21F90 [FBAN/FBIOS;FBAV/469.0.0.32.112;FBBV/609165155;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/17.5.1;FBSS/3;FBID/phone;FBLC/de_DE;FBOP/5]"
            ),
            "Facebook 469.0.0.32.112 / iOS 17.5.1 / mobile / iPhone",
        ),
        (
            format!(
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4_1 like Mac OS X) {APPLE} Mobile/15E148 musical_ly_34.5.0 JsSdk/2.0 NetType/WIFI Channel/App Store ByteLocale/de Region/DE"
            ),
            "TikTok 34.5 / iOS 17.4.1 / mobile / iPhone",
        ),
        (
            format!(
                "Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/126.0.0.0 Mobile Safari/537.36"
            ),
            "Chrome 126 / Android - / mobile / -",
        ),
        (
            format!("Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/126.0.0.0 Safari/537.36"),
            "Chrome 126 / Android - / tablet / -",
        ),
        (
            format!(
                "Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36"
            ),
            "Samsung Internet 25 / Android - / mobile / -",
        ),
        (
            format!(
                "Mozilla/5.0 (Linux; Android 14; SM-S918B Build/UP1A.231005.007; wv) {WEBKIT} Version/4.0 Chrome/126.0.6478.71 Mobile Safari/537.36"
            ),
            "Android WebView 126.0.6478.71 / Android 14 / mobile / SM-S918B",
        ),
        (
            format!(
                "Mozilla/5.0 (Linux; Android 13; Pixel 7 Build/TQ3A.230805.001; wv) {WEBKIT} Version/4.0 Chrome/125.0.6422.165 Mobile Safari/537.36 [FB_IAB/FB4A;FBAV/467.0.0.49.109;]"
            ),
            "Facebook 467.0.0.49.109 / Android 13 / mobile / Pixel 7",
        ),
        (
            format!(
                "Mozilla/5.0 (Linux; Android 9; AFTKA Build/PS7633) {WEBKIT} Silk/112.3.1 like Chrome/112.0.5615.213 Safari/537.36"
            ),
            "Amazon Silk 112.3.1 / Android 9 / tv / AFTKA",
        ),
        (
            format!(
                "Mozilla/5.0 (Web0S; Linux/SmartTV) {WEBKIT} Chrome/108.0.5359.211 Safari/537.36 WebAppManager"
            ),
            "Chrome 108.0.5359.211 / webOS - / tv / -",
        ),
        (
            format!(
                "Mozilla/5.0 (SMART-TV; LINUX; Tizen 7.0) {WEBKIT} Version/7.0 TV Safari/537.36"
            ),
            "Safari 7 / Tizen 7 / tv / -",
        ),
        (
            format!(
                "Mozilla/5.0 (PlayStation; PlayStation 5/5.10) {APPLE} Version/15.4 Safari/605.1.15"
            ),
            "Safari 15.4 / PlayStation - / console / -",
        ),
        (
            format!(
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox Series X) {WEBKIT} Chrome/124.0.0.0 Safari/537.36 Edge/44.18363.8131"
            ),
            "Edge 44.18363.8131 / Xbox OS - / console / -",
        ),
        (
            format!(
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/126.0.0.0 Safari/537.36"
            ),
            "Chrome 126 / ChromeOS 14541 / desktop / -",
        ),
        (
            format!(
                "Mozilla/5.0 (X11; Linux x86_64; Quest 3) {WEBKIT} OculusBrowser/33.3.0.4.45.601 Chrome/126.0.6478.122 VR Safari/537.36"
            ),
            "Oculus Browser 33.3.0.4.45.601 / Linux - / headset / -",
        ),
        ("".to_owned(), "- - / - - / - / -"),
        (
            "MyApp/3.1 (com.example; build:7; iOS 17.5.1) Alamofire/5.9.1".to_owned(),
            "- - / iOS 17.5.1 / mobile / -",
        ),
        (
            "Dalvik/2.1.0 (Linux; U; Android 13; SM-A536B Build/TP1A.220624.014)".to_owned(),
            "- - / Android 13 / mobile / SM-A536B",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(shown(&agent(Some(&text), &ClientHints::default())), expected, "{text}");
    }
}

fn class(agent: &str) -> Option<&'static str> {
    super::agent(Some(agent), &ClientHints::default()).device_class.map(DeviceClass::as_str)
}

#[test]
fn products_in_brackets_and_without_a_version_are_browsers() {
    const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148";
    const ANDROID: &str = "Mozilla/5.0 (Linux; Android 16; SM-S928B Build/BP2A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/146.0.7680.174 Mobile Safari/537.36";
    let cases = [
        ("[LinkedInApp]/9.29.8962", "LinkedIn 9.29.8962"),
        ("[LinkedInApp]", "LinkedIn -"),
        ("LinkedInApp/4.1", "LinkedIn 4.1"),
        ("MetaIAB Facebook", "Facebook -"),
        ("MetaIAB", "Facebook -"),
        ("MetaIAB Instagram", "Instagram -"),
        ("[Pinterest]", "Pinterest -"),
        ("(Instagram)/300.1", "Instagram 300.1"),
        ("[Snapchat]/12.3.0", "Snapchat 12.3"),
        ("Instagram", "Instagram -"),
    ];
    for (agent, (app, expected)) in
        [IPHONE, ANDROID].iter().flat_map(|agent| cases.map(move |case| (agent, case)))
    {
        let agent = format!("{agent} {app}");
        let found = super::agent(Some(&agent), &ClientHints::default());
        let version = found.browser_version.as_deref().unwrap_or("-");
        let found = format!("{} {version}", found.browser.as_deref().unwrap_or("-"));
        assert_eq!(found, expected, "{agent}");
    }
    // A bracketed word that is no product, and a device with the name of one.
    let agent = format!("{IPHONE} [en_US]/3.1");
    assert!(
        shown(&super::agent(Some(&agent), &ClientHints::default())).starts_with("Apple WebView")
    );
    let agent = ANDROID.replace("SM-S928B", "Facebook");
    assert!(
        shown(&super::agent(Some(&agent), &ClientHints::default())).starts_with("Android WebView")
    );
}

#[test]
fn an_open_harmony_is_what_its_first_item_says() {
    let engines =
        "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/114.0.0.0 Safari/537.36 ArkWeb/4.1.6.1";
    for (kind, expected) in [
        ("PC", "desktop"),
        ("2in1", "desktop"),
        ("Phone", "mobile"),
        ("Tablet", "tablet"),
        ("TV", "tv"),
        ("Wearable", "wearable"),
        ("Car", "car"),
    ] {
        for agent in [
            format!("Mozilla/5.0 ({kind}; OpenHarmony 5.0) {engines} HuaweiBrowser/5.1.5.352"),
            format!("Mozilla/5.0 ({kind}; OpenHarmony 6.1; Windows NT 10.0) {engines}"),
        ] {
            assert_eq!(class(&agent), Some(expected), "{agent}");
        }
    }
    assert_eq!(
        class(&format!("Mozilla/5.0 (X; OpenHarmony 5.0) {engines} Mobile")),
        Some("mobile")
    );
}

#[test]
fn televisions_are_found_by_their_makers_words() {
    for agent in [
        "Mozilla/5.0 (Unknown; Linux armv7l) AppleWebKit/537.1+ (KHTML, like Gecko) Safari/537.1+ LG Browser/6.00.00(+mouse+3D+SCREEN+TUNER; LGE; 42LA660S-ZA; 04.25.05; 0x00000001;); LG NetCast.TV-2013 /04.25.05 (LG, 42LA660S-ZA, wireless)",
        "Mozilla/5.0 (DirectFB; Linux armv7l) AppleWebKit/534.26+ (KHTML, like Gecko) Version/5.0 Safari/534.26+ LG Browser/5.00.00( 3D BDP; LGE; Media/BH9540; 5033; abc;); LG NetCast.Media-2012 /5033 (LG, Media/BH9540, wired)",
        "Mozilla/5.0 (Linux ) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/108.0.5359.128 Safari/537.36 OPR/46.0.2207.0 OMI/4.23.2.96.LIMA2.102 Model/Vestel-MB181 VSTVB MB100 TiVoOS/1.0.0 (Vestel MB181 JVC) SmartTvA/3.0.0",
        "Mozilla/5.0 (Linux; Andr0id 9.0; TPM191E Build/PTT1) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/49.0.2623.112 Safari/537.36 OPR/32.0.2128.0 OMI/4.8.0.129.Sprinter7.124",
        "Mozilla/5.0 (X11; Linux x86_64;) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/47.0.2526.106 Safari/537.36 SRAF/4.0 (; Hisense; SmartTV_2019_1; V0000; ); CE-HTML/1.0 hbbtv",
        "Mozilla/5.0 (Linux; x86_64 GNU/Linux) AppleWebKit/601.1 (KHTML, like Gecko) Version/8.0 Safari/601.1 WPE Sky_TV_T962X3_2020/1.0.0 (Sky, LlamaUK, Wired)",
        "Opera/9.80 (Linux armv7l) Presto/2.12.407 Version/12.51 , D50u-D1-UHD/V1.5.16-UHD (Vizio, D50u-D1, Wireless)",
        "Opera/9.80 (Linux mips; U; ; en) Presto/2.10.287 Version/12.00 (avkb/pc,B:461;avvp/ssl;avui/tv;avst/off;avdn/AKAI-v.tv.2013)",
        "Mozilla/5.0 (Web0S; Linux/SmartTV) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/94.0.4606.128 Safari/537.36 WebAppManager",
        "Mozilla/5.0 (SMART-TV; Linux; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) Version/6.0 TV Safari/537.36",
        "Mozilla/5.0 (Linux; U; Android 5.0.1; NVIDIA Shield; smart-tv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 11; Grundig Android TV Build/RTM3; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/119.0.6045.163 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 9; AFTKA Build/PS7624; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/108.0.5359.220 Mobile Safari/537.36",
    ] {
        assert_eq!(class(agent), Some("tv"), "{agent}");
    }
}

#[test]
fn a_word_that_means_something_else_decides_nothing() {
    let phone = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/78.0.3904.96 Mobile Safari/537.36";
    let wide = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/78.0.3904.96 Safari/537.36";
    let cases = [
        (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64; XBOX_ONE_ED) {wide} Edge/14.14393"), "console"),
        (format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64; Xbox; Xbox One) {wide} Edge/44.18363"), "console"),
        ("Mozilla/5.0 (PlayStation 5 3.03/SmartTV) AppleWebKit/605.1.15 (KHTML, like Gecko)".to_owned(), "console"),
        ("Mozilla/5.0 (PlayStation; PlayStation 4/11.00) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.4 Safari/605.1.15".to_owned(), "console"),
        ("Mozilla/5.0 (New Nintendo 3DS like iPhone) AppleWebKit/536.30 (KHTML, like Gecko) NX/3.0.0.5.22 Mobile NintendoBrowser/1.10.10166.JP".to_owned(), "console"),
        (format!("Mozilla/5.0 (Linux; Android 4.4.4; Tesla SMARTPHONE 3 Build/KTU84P) {phone}"), "mobile"),
        (format!("Mozilla/5.0 (Linux; U; Android 10; en-US; Artel Tesla Build/QP1A) {phone}"), "mobile"),
        (format!("Mozilla/5.0 (Linux; Android 7.0; Tesla L7.1 Build/NRD90M) {wide}"), "tablet"),
        (format!("Mozilla/5.0 (X11; Linux) {wide} Tesla/2021.44.25-5fb0c3f"), "car"),
        (format!("Mozilla/5.0 (Linux; Android 4.4.2; QUMO Quest 402) {phone}"), "mobile"),
        (format!("Mozilla/5.0 (Linux; arm_64; Android 14; Quest 3S) {wide}"), "headset"),
        (format!("Mozilla/5.0 (Linux; Android 10; Quest 2) {wide} OculusBrowser/13.0"), "headset"),
        (format!("Mozilla/5.0 (Linux; Android 10; Pico Neo 3 Build/4.9.5; wv) {phone}"), "headset"),
        (format!("Mozilla/5.0 (Linux; Android 4.4.2; KAZAM TV 45) {phone}"), "mobile"),
        (format!("Mozilla/5.0 (Linux; Android 7.0; myA7 DTV) {phone}"), "mobile"),
        (format!("Mozilla/5.0 (Linux; Android 7.0; myT3 DTV) {wide}"), "tablet"),
        (format!("Mozilla/5.0 (Linux; Android 8.1.0; BNTV460) {wide}"), "tablet"),
        (format!("Mozilla/5.0 (Linux; Android 6.0; BTV-W09) {phone}"), "mobile"),
        (format!("Mozilla/5.0 (Linux; Android 12; HarmonyOS; GOT-AL09; HMSCore 6.6.0.369) {wide}"), "tablet"),
        ("Mozilla/5.0 (webOS/1.4.5; U; en-US) AppleWebKit/532.2 (KHTML, like Gecko) Version/1.0 Safari/532.2 Pixi/1.0".to_owned(), "mobile"),
        ("Mozilla/5.0 (hp-tablet; Linux; hpwOS/3.0.5; U; en-US) AppleWebKit/534.6 (KHTML, like Gecko) wOSBrowser/234.83 Safari/534.6 TouchPad/1.0".to_owned(), "tablet"),
    ];
    for (agent, expected) in cases {
        assert_eq!(class(&agent), Some(expected), "{agent}");
    }
}

#[test]
fn hints_complete_a_reduced_agent() {
    const WINDOWS: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
    const PHONE: &str = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36";
    const VIEW: &str = "Mozilla/5.0 (Linux; Android 13; Pixel 7; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.6478.71 Mobile Safari/537.36 Instagram 336.0.8 Android";
    const MAC: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
    let chrome = r#""Not/A)Brand";v="8", "Chromium";v="126", "Google Chrome";v="126""#;
    let full = r#""Not/A)Brand";v="8.0.0.0", "Chromium";v="126.0.6478.127", "Google Chrome";v="126.0.6478.127""#;
    let edge = r#""Chromium";v="126", "Microsoft Edge";v="126", " Not A;Brand";v="99""#;
    let cases = [
        (
            WINDOWS,
            [chrome, "?0", r#""Windows""#, full, r#""15.0.0""#, r#""""#],
            "Chrome 126.0.6478.127 / Windows 11 / desktop / -",
        ),
        (
            WINDOWS,
            [chrome, "?0", r#""Windows""#, "", r#""10.0.0""#, ""],
            "Chrome 126 / Windows 10 / desktop / -",
        ),
        (
            WINDOWS,
            [chrome, "?0", r#""Windows""#, "", r#""0.1.0""#, ""],
            "Chrome 126 / Windows 7 / desktop / -",
        ),
        (WINDOWS, [edge, "?0", r#""Windows""#, "", "", ""], "Edge 126 / Windows 10 / desktop / -"),
        (
            WINDOWS,
            [
                r#""Brave";v="126", "Chromium";v="126", "Not.A/Brand";v="24""#,
                "?0",
                r#""Windows""#,
                "",
                "",
                "",
            ],
            "Brave 126 / Windows 10 / desktop / -",
        ),
        (
            WINDOWS,
            [r#""\\Not\"A;Brand";v="99", "Chromium";v="90""#, "?0", r#""Windows""#, "", "", ""],
            "Chrome 90 / Windows 10 / desktop / -",
        ),
        (
            MAC,
            [chrome, "?0", r#""macOS""#, full, r#""14.5.0""#, ""],
            "Chrome 126.0.6478.127 / macOS 14.5 / desktop / -",
        ),
        (
            MAC,
            [chrome, "?0", r#""macOS""#, full, r#""10.15.7""#, ""],
            "Chrome 126.0.6478.127 / macOS 10.15.7 / desktop / -",
        ),
        (
            PHONE,
            [chrome, "?1", r#""Android""#, full, r#""14.0.0""#, r#""SM-S918B""#],
            "Chrome 126.0.6478.127 / Android 14 / mobile / SM-S918B",
        ),
        (
            PHONE,
            [
                r#""Samsung Internet";v="25.0", "Chromium";v="121""#,
                "?1",
                r#""Android""#,
                "",
                "",
                "",
            ],
            "Samsung Internet 25 / Android - / mobile / -",
        ),
        (
            PHONE,
            [chrome, "?0", r#""Android""#, "", "", r#""SM-X910""#],
            "Chrome 126 / Android - / tablet / SM-X910",
        ),
        (
            VIEW,
            [r#""Android WebView";v="126", "Chromium";v="126""#, "?1", r#""Android""#, "", "", ""],
            "Instagram 336.0.8 / Android 13 / mobile / Pixel 7",
        ),
        (
            "",
            [chrome, "?1", r#""Android""#, full, r#""14.0.0""#, r#""Pixel 8""#],
            "Chrome 126.0.6478.127 / Android 14 / mobile / Pixel 8",
        ),
        (
            PHONE,
            ["\"", "1", "Android", "\"\";v=", "x", "\""],
            "Chrome 126 / Android - / mobile / -",
        ),
    ];
    for (text, sent, expected) in cases {
        let [ua, mobile, platform, full_version_list, platform_version, model] =
            sent.map(|value| (!value.is_empty()).then(|| value.to_owned()));
        let hints =
            ClientHints { ua, mobile, platform, full_version_list, platform_version, model };
        assert_eq!(shown(&agent(Some(text), &hints)), expected, "{text} {hints:?}");
    }
}

#[test]
fn versions_have_one_form() {
    let cases = [
        ("126.0.0.0", Some("126")),
        ("17_5_1 like", Some("17.5.1")),
        ("10.0", Some("10")),
        ("0.0", Some("0")),
        ("8.0.3", Some("8.0.3")),
        ("", None),
        ("x1", None),
        (".", None),
    ];
    for (text, expected) in cases {
        assert_eq!(version(text).as_deref(), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn any_agent_gives_short_names(
        text in ".*|(Mozilla/5\\.0 \\((Linux; Android |iPhone; CPU OS |Windows NT )?.{0,40}\\) ?(Chrome/|Version/|\\[FBAV/|Opera )?.{0,40}){1,40}",
        hint in "(\"?.{0,200}\"?(;v=\")?){0,9}",
    ) {
        let hints = ClientHints {
            ua: Some(hint.clone()),
            mobile: Some(hint.clone()),
            platform: Some(hint.clone()),
            full_version_list: Some(hint.clone()),
            platform_version: Some(hint.clone()),
            model: Some(hint),
        };
        for hints in [hints, ClientHints::default()] {
            let found = agent(Some(&text), &hints);
            prop_assert!(found.browser.is_none_or(|text| text.len() <= MAX_NAME_BYTES));
            prop_assert!(found.device_model.is_none_or(|text| text.len() <= MAX_NAME_BYTES));
            for version in [found.browser_version, found.os_version].into_iter().flatten() {
                prop_assert!(!version.is_empty() && version.len() <= MAX_VERSION_BYTES);
                prop_assert!(version.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
            }
        }
    }
}
