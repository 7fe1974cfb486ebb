//! From pad to pad, past what only hands on: the pads of bins.

use gst::prelude::*;

/// Gives the source pad that is linked to the same element as `pad`, inside the bin if there is one.
fn inside(pad: &gst::Pad) -> Option<gst::Pad> {
    let proxy = pad.peer()?.downcast::<gst::ProxyPad>().ok()?;
    proxy.internal().map(Cast::upcast)
}

/// Gives the last source pad that what `pad` sends comes out of unchanged: past the pads of bins, and elements that
/// `hands_on` says so of.
pub(crate) fn onward(mut pad: gst::Pad, hands_on: impl Fn(&gst::Element) -> bool) -> gst::Pad {
    loop {
        let next = inside(&pad).or_else(|| {
            let element = pad.peer()?.parent_element()?;
            element.static_pad("src").filter(|_| hands_on(&element))
        });
        match next {
            Some(next) => pad = next,
            None => return pad,
        }
    }
}

/// Gives the request pad of `element` through which data come into `pad`, which lies somewhere inside of it.
pub(crate) fn entry(element: &gst::Element, pad: &gst::Pad) -> Option<gst::Pad> {
    let mut pad = pad.clone();
    loop {
        if pad.parent_element().as_ref() == Some(element) {
            return Some(pad);
        }
        pad = match inside(&pad) {
            Some(outer) => outer,
            None => pad.peer()?.parent_element()?.static_pad("sink")?,
        };
    }
}

/// Gives the element's source pad from which data come to the sink pad `pad`, past the pads of bins.
pub(crate) fn origin(pad: &gst::Pad) -> Option<gst::Pad> {
    let mut source = pad.peer()?;
    loop {
        match source.downcast::<gst::ProxyPad>() {
            Ok(proxy) => source = proxy.internal()?.peer()?,
            Err(source) => return Some(source),
        }
    }
}

/// Says which factory made an element.
pub(crate) fn is_of(element: &gst::Element, factory: &str) -> bool {
    element.factory().is_some_and(|made| made.name() == factory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn make(factory: &str) -> gst::Element {
        gst::ElementFactory::make(factory).build().unwrap()
    }

    fn ghost(bin: &gst::Bin, name: &str, target: &gst::Pad) {
        let ghost = gst::GhostPad::builder_with_target(target).unwrap();
        bin.add_pad(&ghost.name(name).build()).unwrap();
    }

    #[test]
    fn pads_are_found_through_bins_and_what_hands_on() {
        gst::init().unwrap();
        // first ! ( hands_on ! ( works ) ) ! last
        let [first, hands_on, works, last] =
            ["identity", "queue", "identity", "identity"].map(make);
        let [inner, outer] = [gst::Bin::new(), gst::Bin::new()];
        inner.add(&works).unwrap();
        for name in ["sink", "src"] {
            ghost(&inner, name, &works.static_pad(name).unwrap());
        }
        outer.add_many([&hands_on, inner.upcast_ref()]).unwrap();
        hands_on.link(&inner).unwrap();
        ghost(&outer, "sink", &hands_on.static_pad("sink").unwrap());
        ghost(&outer, "src", &inner.static_pad("src").unwrap());
        let all = gst::Pipeline::new();
        all.add_many([&first, outer.upcast_ref(), &last]).unwrap();
        gst::Element::link_many([&first, outer.upcast_ref(), &last]).unwrap();

        let begin = first.static_pad("src").unwrap();
        let into = |pad: gst::Pad| pad.peer().unwrap().parent_element().unwrap();
        assert_eq!(into(onward(begin.clone(), |_| false)), hands_on);
        assert_eq!(
            into(onward(begin, |element| is_of(element, "queue"))),
            works
        );
        let inside = works.static_pad("sink").unwrap();
        let outer = outer.upcast_ref::<gst::Element>();
        assert_eq!(entry(outer, &inside), outer.static_pad("sink"));
        assert_eq!(origin(&inside), hands_on.static_pad("src"));
        let behind = last.static_pad("sink").unwrap();
        assert_eq!(origin(&behind), works.static_pad("src"));
    }
}
