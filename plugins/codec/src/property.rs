//! Properties that a version of an element may lack.

use gst::glib;
use gst::prelude::*;

/// Sets a property from its text; false if the element lacks it or does not know the value.
/// `set_property_from_str` would panic.
pub(crate) fn set(element: &gst::Element, name: &str, text: &str) -> bool {
    let Some(pspec) = element.find_property(name) else {
        return false;
    };
    let Ok(value) = glib::Value::deserialize_with_pspec(text, &pspec) else {
        return false;
    };
    element.set_property_from_value(name, &value);
    true
}
