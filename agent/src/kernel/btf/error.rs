//! Why the kernel's type information has no answer.

/// Why the kernel's type information has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BtfError {
    /// The bytes are something else.
    #[error("these bytes are not BTF: they do not begin with its mark")]
    NotBtf,
    /// It comes from a machine of the other byte order.
    #[error("this BTF was written for the other byte order")]
    OtherByteOrder,
    /// Another version of the format.
    #[error("this BTF has version {0}, and only version 1 is known")]
    Version(u8),
    /// Something points outside.
    #[error("this BTF is damaged: {0} reach beyond its end")]
    Damaged(&'static str),
    /// A kind of type that this version cannot step over.
    #[error("this BTF has a type of kind {0}, which is not known and does not say its size")]
    UnknownKind(u8),
    /// More levels than any kernel has.
    #[error("this BTF is damaged: its types are nested without end")]
    TooDeep,
    /// No such struct.
    #[error("the kernel's BTF has no `struct {0}`")]
    NoStruct(String),
    /// No such member.
    #[error("the kernel's BTF has no member `{member}` in `struct {strukt}`")]
    NoMember {
        /// The struct's name.
        strukt: String,
        /// The path of the member.
        member: String,
    },
    /// A dot after something that is not embedded, such as a pointer.
    #[error("`{member}` leads out of `struct {strukt}`: what stands before a dot is no struct")]
    NotEmbedded {
        /// The struct's name.
        strukt: String,
        /// The path of the member.
        member: String,
    },
    /// It has no address.
    #[error("the member `{member}` of `struct {strukt}` is a bit field in this kernel")]
    Bitfield {
        /// The struct's name.
        strukt: String,
        /// The path of the member.
        member: String,
    },
    /// Structs of this name that differ in what was asked.
    #[error("the kernel's BTF has more than one `struct {strukt}`, which differ in `{member}`")]
    Ambiguous {
        /// The struct's name.
        strukt: String,
        /// The path of the member; empty for the size.
        member: String,
    },
}
