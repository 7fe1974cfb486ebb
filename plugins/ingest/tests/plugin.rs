//! The plugin as packagers ship it. A file of its own: a process can register the element only once.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};

#[test]
fn the_built_plugin_loads_and_brings_the_element() {
    gst::init().unwrap();
    let folder = std::env::current_exe()
        .unwrap()
        .ancestors()
        .nth(1)
        .unwrap()
        .to_owned();
    let plugin =
        gst::Plugin::load_file(folder.join(format!("{DLL_PREFIX}gstsluiceingest{DLL_SUFFIX}")))
            .unwrap();
    assert_eq!(plugin.plugin_name(), "sluiceingest");
    gst::Registry::get().lookup_feature("sluicesrc").unwrap();
}
