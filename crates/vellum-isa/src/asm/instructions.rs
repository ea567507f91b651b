//! A method for every instruction, in the operand order of assembly text.

use super::{Asm, F, Label, Order, X, plain};
use crate::float::Rounding;
use crate::{Insn, Op};

/// A static rounding mode; `None` takes it from `frm`.
type Mode = Option<Rounding>;

fn mode(mode: Mode) -> u8 {
    mode.map_or(7, Rounding::bits)
}

/// One method: its parameters and how these fill the fields.
macro_rules! method {
    ($name:ident $op:ident $text:literal
     ($($parameter:ident: $kind:ty),*) { $($field:ident: $value:expr),* }) => {
        #[doc = concat!("`", $text, "`")]
        pub fn $name(&mut self, $($parameter: $kind),*) -> &mut Self {
            self.emit(Insn { $($field: $value,)* ..plain(Op::$op) })
        }
    };
}

/// Methods of one shape.
macro_rules! shape {
    ($parameters:tt $fields:tt $($name:ident $op:ident $text:literal,)*) => {
        $(method! { $name $op $text $parameters $fields })*
    };
}

impl Asm {
    shape! { (rd: X, upper: i32) { rd: rd.0, imm: upper }
        lui Lui "lui",
        auipc Auipc "auipc",
    }
    shape! { (rd: X, offset: i32, rs1: X) { rd: rd.0, rs1: rs1.0, imm: offset }
        jalr Jalr "jalr",
    }
    shape! { (rd: X, offset: i32, rs1: X) { rd: rd.0, rs1: rs1.0, imm: offset }
        lb Lb "lb",
        lh Lh "lh",
        lw Lw "lw",
        ld Ld "ld",
        lbu Lbu "lbu",
        lhu Lhu "lhu",
        lwu Lwu "lwu",
    }
    shape! { (rs2: X, offset: i32, rs1: X) { rs1: rs1.0, rs2: rs2.0, imm: offset }
        sb Sb "sb",
        sh Sh "sh",
        sw Sw "sw",
        sd Sd "sd",
    }
    shape! { (rd: X, rs1: X, imm: i32) { rd: rd.0, rs1: rs1.0, imm: imm }
        addi Addi "addi",
        slti Slti "slti",
        sltiu Sltiu "sltiu",
        xori Xori "xori",
        ori Ori "ori",
        andi Andi "andi",
        addiw Addiw "addiw",
    }
    shape! { (rd: X, rs1: X, amount: i32) { rd: rd.0, rs1: rs1.0, imm: amount }
        slli Slli "slli",
        srli Srli "srli",
        srai Srai "srai",
        slli_uw SlliUw "slli.uw",
        rori Rori "rori",
        bclri Bclri "bclri",
        bexti Bexti "bexti",
        binvi Binvi "binvi",
        bseti Bseti "bseti",
    }
    shape! { (rd: X, rs1: X, rs2: X) { rd: rd.0, rs1: rs1.0, rs2: rs2.0 }
        add Add "add",
        sub Sub "sub",
        sll Sll "sll",
        slt Slt "slt",
        sltu Sltu "sltu",
        xor Xor "xor",
        srl Srl "srl",
        sra Sra "sra",
        or Or "or",
        and And "and",
        addw Addw "addw",
        subw Subw "subw",
        sllw Sllw "sllw",
        srlw Srlw "srlw",
        sraw Sraw "sraw",
        mul Mul "mul",
        mulh Mulh "mulh",
        mulhsu Mulhsu "mulhsu",
        mulhu Mulhu "mulhu",
        div Div "div",
        divu Divu "divu",
        rem Rem "rem",
        remu Remu "remu",
        mulw Mulw "mulw",
        divw Divw "divw",
        divuw Divuw "divuw",
        remw Remw "remw",
        remuw Remuw "remuw",
        add_uw AddUw "add.uw",
        sh1add Sh1add "sh1add",
        sh2add Sh2add "sh2add",
        sh3add Sh3add "sh3add",
        sh1add_uw Sh1addUw "sh1add.uw",
        sh2add_uw Sh2addUw "sh2add.uw",
        sh3add_uw Sh3addUw "sh3add.uw",
        andn Andn "andn",
        orn Orn "orn",
        xnor Xnor "xnor",
        max Max "max",
        maxu Maxu "maxu",
        min Min "min",
        minu Minu "minu",
        rol Rol "rol",
        ror Ror "ror",
        rolw Rolw "rolw",
        rorw Rorw "rorw",
        bclr Bclr "bclr",
        bext Bext "bext",
        binv Binv "binv",
        bset Bset "bset",
    }
    shape! { (rd: X, rs1: X, amount: i32) { rd: rd.0, rs1: rs1.0, imm: amount }
        slliw Slliw "slliw",
        srliw Srliw "srliw",
        sraiw Sraiw "sraiw",
        roriw Roriw "roriw",
    }
    shape! { () {}
        fence_i FenceI "fence.i",
        ecall Ecall "ecall",
        ebreak Ebreak "ebreak",
        sret Sret "sret",
        wfi Wfi "wfi",
        sfence_w_inval SfenceWInval "sfence.w.inval",
        sfence_inval_ir SfenceInvalIr "sfence.inval.ir",
    }
    shape! { (rd: X, rs1: X, order: Order) { rd: rd.0, rs1: rs1.0, rm: order as u8 }
        lr_w LrW "lr.w",
        lr_d LrD "lr.d",
    }
    shape! { (rd: X, rs2: X, rs1: X, order: Order) { rd: rd.0, rs1: rs1.0, rs2: rs2.0, rm: order as u8 }
        sc_w ScW "sc.w",
        amoswap_w AmoSwapW "amoswap.w",
        amoadd_w AmoAddW "amoadd.w",
        amoxor_w AmoXorW "amoxor.w",
        amoand_w AmoAndW "amoand.w",
        amoor_w AmoOrW "amoor.w",
        amomin_w AmoMinW "amomin.w",
        amomax_w AmoMaxW "amomax.w",
        amominu_w AmoMinuW "amominu.w",
        amomaxu_w AmoMaxuW "amomaxu.w",
        sc_d ScD "sc.d",
        amoswap_d AmoSwapD "amoswap.d",
        amoadd_d AmoAddD "amoadd.d",
        amoxor_d AmoXorD "amoxor.d",
        amoand_d AmoAndD "amoand.d",
        amoor_d AmoOrD "amoor.d",
        amomin_d AmoMinD "amomin.d",
        amomax_d AmoMaxD "amomax.d",
        amominu_d AmoMinuD "amominu.d",
        amomaxu_d AmoMaxuD "amomaxu.d",
    }
    shape! { (rd: X, rs1: X) { rd: rd.0, rs1: rs1.0 }
        clz Clz "clz",
        ctz Ctz "ctz",
        cpop Cpop "cpop",
        clzw Clzw "clzw",
        ctzw Ctzw "ctzw",
        cpopw Cpopw "cpopw",
        sext_b SextB "sext.b",
        sext_h SextH "sext.h",
        zext_h ZextH "zext.h",
        orc_b OrcB "orc.b",
        rev8 Rev8 "rev8",
    }
    shape! { (rd: F, offset: i32, rs1: X) { rd: rd.0, rs1: rs1.0, imm: offset }
        flw Flw "flw",
        fld Fld "fld",
    }
    shape! { (rs2: F, offset: i32, rs1: X) { rs1: rs1.0, rs2: rs2.0, imm: offset }
        fsw Fsw "fsw",
        fsd Fsd "fsd",
    }
    shape! { (rd: F, rs1: F, rs2: F, rs3: F, rm: Mode) { rd: rd.0, rs1: rs1.0, rs2: rs2.0, rs3: rs3.0, rm: mode(rm) }
        fmadd_s FmaddS "fmadd.s",
        fmsub_s FmsubS "fmsub.s",
        fnmsub_s FnmsubS "fnmsub.s",
        fnmadd_s FnmaddS "fnmadd.s",
        fmadd_d FmaddD "fmadd.d",
        fmsub_d FmsubD "fmsub.d",
        fnmsub_d FnmsubD "fnmsub.d",
        fnmadd_d FnmaddD "fnmadd.d",
    }
    shape! { (rd: F, rs1: F, rs2: F, rm: Mode) { rd: rd.0, rs1: rs1.0, rs2: rs2.0, rm: mode(rm) }
        fadd_s FaddS "fadd.s",
        fsub_s FsubS "fsub.s",
        fmul_s FmulS "fmul.s",
        fdiv_s FdivS "fdiv.s",
        fadd_d FaddD "fadd.d",
        fsub_d FsubD "fsub.d",
        fmul_d FmulD "fmul.d",
        fdiv_d FdivD "fdiv.d",
    }
    shape! { (rd: F, rs1: F, rm: Mode) { rd: rd.0, rs1: rs1.0, rm: mode(rm) }
        fsqrt_s FsqrtS "fsqrt.s",
        fsqrt_d FsqrtD "fsqrt.d",
        fcvt_s_d FcvtSD "fcvt.s.d",
        fcvt_d_s FcvtDS "fcvt.d.s",
    }
    shape! { (rd: F, rs1: F, rs2: F) { rd: rd.0, rs1: rs1.0, rs2: rs2.0 }
        fsgnj_s FsgnjS "fsgnj.s",
        fsgnjn_s FsgnjnS "fsgnjn.s",
        fsgnjx_s FsgnjxS "fsgnjx.s",
        fmin_s FminS "fmin.s",
        fmax_s FmaxS "fmax.s",
        fsgnj_d FsgnjD "fsgnj.d",
        fsgnjn_d FsgnjnD "fsgnjn.d",
        fsgnjx_d FsgnjxD "fsgnjx.d",
        fmin_d FminD "fmin.d",
        fmax_d FmaxD "fmax.d",
    }
    shape! { (rd: X, rs1: F, rs2: F) { rd: rd.0, rs1: rs1.0, rs2: rs2.0 }
        feq_s FeqS "feq.s",
        flt_s FltS "flt.s",
        fle_s FleS "fle.s",
        feq_d FeqD "feq.d",
        flt_d FltD "flt.d",
        fle_d FleD "fle.d",
    }
    shape! { (rd: X, rs1: F) { rd: rd.0, rs1: rs1.0 }
        fclass_s FclassS "fclass.s",
        fmv_x_w FmvXW "fmv.x.w",
        fclass_d FclassD "fclass.d",
        fmv_x_d FmvXD "fmv.x.d",
    }
    shape! { (rd: X, rs1: F, rm: Mode) { rd: rd.0, rs1: rs1.0, rm: mode(rm) }
        fcvt_w_s FcvtWS "fcvt.w.s",
        fcvt_wu_s FcvtWuS "fcvt.wu.s",
        fcvt_l_s FcvtLS "fcvt.l.s",
        fcvt_lu_s FcvtLuS "fcvt.lu.s",
        fcvt_w_d FcvtWD "fcvt.w.d",
        fcvt_wu_d FcvtWuD "fcvt.wu.d",
        fcvt_l_d FcvtLD "fcvt.l.d",
        fcvt_lu_d FcvtLuD "fcvt.lu.d",
    }
    shape! { (rd: F, rs1: X, rm: Mode) { rd: rd.0, rs1: rs1.0, rm: mode(rm) }
        fcvt_s_w FcvtSW "fcvt.s.w",
        fcvt_s_wu FcvtSWu "fcvt.s.wu",
        fcvt_s_l FcvtSL "fcvt.s.l",
        fcvt_s_lu FcvtSLu "fcvt.s.lu",
        fcvt_d_w FcvtDW "fcvt.d.w",
        fcvt_d_wu FcvtDWu "fcvt.d.wu",
        fcvt_d_l FcvtDL "fcvt.d.l",
        fcvt_d_lu FcvtDLu "fcvt.d.lu",
    }
    shape! { (rd: F, rs1: X) { rd: rd.0, rs1: rs1.0 }
        fmv_w_x FmvWX "fmv.w.x",
        fmv_d_x FmvDX "fmv.d.x",
    }
    shape! { (rd: X, csr: u16, rs1: X) { rd: rd.0, rs1: rs1.0, imm: i32::from(csr) }
        csrrw Csrrw "csrrw",
        csrrs Csrrs "csrrs",
        csrrc Csrrc "csrrc",
    }
    shape! { (rd: X, csr: u16, bits: u8) { rd: rd.0, rs1: bits, imm: i32::from(csr) }
        csrrwi Csrrwi "csrrwi",
        csrrsi Csrrsi "csrrsi",
        csrrci Csrrci "csrrci",
    }
    shape! { (rs1: X, rs2: X) { rs1: rs1.0, rs2: rs2.0 }
        sfence_vma SfenceVma "sfence.vma",
        sinval_vma SinvalVma "sinval.vma",
    }
}

/// Branches to labels.
macro_rules! branches {
    ($($name:ident $op:ident,)*) => {
        impl Asm {
            $(
                #[doc = concat!("`", stringify!($name), "`")]
                pub fn $name(&mut self, rs1: X, rs2: X, to: Label) -> &mut Self {
                    self.branch_to(Op::$op, X(0), rs1, rs2, to)
                }
            )*
        }
    };
}

branches! { beq Beq, bne Bne, blt Blt, bge Bge, bltu Bltu, bgeu Bgeu, }

impl Asm {
    /// `jal`
    pub fn jal(&mut self, rd: X, to: Label) -> &mut Self {
        self.branch_to(Op::Jal, rd, X(0), X(0), to)
    }

    /// `fence`, with `fm`, `pred` and `succ` as the upper 12 bits of the instruction hold them;
    /// `0x0ff` orders everything.
    pub fn fence(&mut self, bits: u16) -> &mut Self {
        self.emit(Insn { imm: i32::from(bits), ..plain(Op::Fence) })
    }
}
