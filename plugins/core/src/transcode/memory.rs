//! Where pictures lie between decoder, scaler and encoder, and what moves them.

/// Memory that pictures lie in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// The machine's own; every element takes it.
    System,
    /// NVIDIA's, by CUDA.
    Cuda,
    /// VA surfaces of the `va` plugin.
    Va,
    /// VA surfaces of the older `vaapi` plugin.
    Vaapi,
    /// Windows' Direct3D 11 textures.
    D3d11,
    /// Jetson's buffers.
    Nvmm,
    /// Linux buffers shared between devices.
    DmaBuf,
}

/// The elements that handle pictures in one kind of device memory.
#[derive(Debug)]
pub struct Device {
    /// The memory.
    pub memory: Memory,
    /// The caps feature that names it.
    pub feature: &'static str,
    /// Changes size and pixel format without leaving the device.
    pub scaler: &'static str,
    /// Takes the two fields of interlaced pictures apart, if anything there does.
    pub deinterlacer: Option<&'static str>,
    /// Brings pictures into the machine's own memory.
    pub download: &'static str,
}

/// Every kind of device memory that pictures stay in.
const DEVICES: &[Device] = &[
    Device {
        memory: Memory::Cuda,
        feature: "memory:CUDAMemory",
        scaler: "cudaconvertscale",
        deinterlacer: None,
        download: "cudadownload",
    },
    Device {
        memory: Memory::Va,
        feature: "memory:VAMemory",
        scaler: "vapostproc",
        deinterlacer: Some("vadeinterlace"),
        download: "vapostproc",
    },
    Device {
        memory: Memory::Vaapi,
        feature: "memory:VASurface",
        scaler: "vaapipostproc",
        deinterlacer: Some("vaapipostproc"),
        download: "vaapipostproc",
    },
    Device {
        memory: Memory::D3d11,
        feature: "memory:D3D11Memory",
        scaler: "d3d11convert",
        deinterlacer: None,
        download: "d3d11download",
    },
    Device {
        memory: Memory::Nvmm,
        feature: "memory:NVMM",
        scaler: "nvvidconv",
        deinterlacer: None,
        download: "nvvidconv",
    },
];

impl Memory {
    /// Gives the elements for it; none for the machine's own, and for buffers that nothing here scales.
    pub fn device(self) -> Option<&'static Device> {
        DEVICES.iter().find(|device| device.memory == self)
    }

    /// Gives the memory that a caps feature names.
    pub fn of_feature(feature: &str) -> Option<Self> {
        DEVICES
            .iter()
            .find(|device| device.feature == feature)
            .map(|device| device.memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_names_its_memory() {
        assert_eq!(Memory::of_feature("memory:CUDAMemory"), Some(Memory::Cuda));
        assert_eq!(Memory::of_feature("memory:SystemMemory"), None);
        assert!(Memory::System.device().is_none());
    }
}
