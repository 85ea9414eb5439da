//! stub
pub mod files {
    use std::net::IpAddr;
    pub fn hosts(_: &[(IpAddr, Vec<String>)]) -> String {
        String::new()
    }
    pub fn resolv_conf(_: &str, _: &crate::pod::plan::NetworkPlan) -> String {
        String::new()
    }
}
pub fn host_resolv_conf() -> String {
    String::new()
}
