//go:build !purego

#include "textflag.h"

// A byte is white space if it is what its low half finds here.
DATA spaces<>+0(SB)/8, $0x0271641164646420
DATA spaces<>+8(SB)/8, $0x64640d64700a0964
GLOBL spaces<>(SB), RODATA|NOPTR, $16

// A byte is an operator if it, with bit 5 set, is what its low half finds here.
DATA operators<>+0(SB)/8, $0
DATA operators<>+8(SB)/8, $0x00007d2c7b3a0000
GLOBL operators<>(SB), RODATA|NOPTR, $16

// The bit of each byte in its half of a mask.
DATA bitOf<>+0(SB)/8, $0x8040201008040201
DATA bitOf<>+8(SB)/8, $0x8040201008040201
GLOBL bitOf<>(SB), RODATA|NOPTR, $16

// CONSTANT fills a register with a byte.
#define CONSTANT(byte, v) \
	MOVD byte, R3 \
	VDUP R3, v.B16

// STORE packs V4 to V7, whose bytes are all ones or zeros, into a word.
#define STORE(offset) \
	VAND V24.B16, V4.B16, V4.B16 \
	VAND V24.B16, V5.B16, V5.B16 \
	VAND V24.B16, V6.B16, V6.B16 \
	VAND V24.B16, V7.B16, V7.B16 \
	VADDP V5.B16, V4.B16, V4.B16 \
	VADDP V7.B16, V6.B16, V6.B16 \
	VADDP V6.B16, V4.B16, V4.B16 \
	VADDP V4.B16, V4.B16, V4.B16 \
	VMOV V4.D[0], R3 \
	MOVD R3, offset(R2)

// EACH does op(a, b, result) for four registers, with one that all share.
#define EACH(op, with) \
	op with, V0.B16, V4.B16 \
	op with, V1.B16, V5.B16 \
	op with, V2.B16, V6.B16 \
	op with, V3.B16, V7.B16

// LOOKUP finds the low halves of the block's bytes in a table.
#define LOOKUP(table) \
	EACH(VAND, V18.B16) \
	VTBL V4.B16, [table.B16], V4.B16 \
	VTBL V5.B16, [table.B16], V5.B16 \
	VTBL V6.B16, [table.B16], V6.B16 \
	VTBL V7.B16, [table.B16], V7.B16

// func scanNEON(data *byte, blocks int, masks *blockMasks)
TEXT ·scanNEON(SB), NOSPLIT, $0-24
	MOVD data+0(FP), R0
	MOVD blocks+8(FP), R1
	MOVD masks+16(FP), R2
	CONSTANT($0x22, V16) // quote
	CONSTANT($0x5C, V17) // backslash
	CONSTANT($0x0F, V18)
	CONSTANT($0x20, V21)
	CONSTANT($0x1F, V22)
	CONSTANT($0x80, V23)
	MOVD $spaces<>(SB), R3
	VLD1 (R3), [V19.B16]
	MOVD $operators<>(SB), R3
	VLD1 (R3), [V20.B16]
	MOVD $bitOf<>(SB), R3
	VLD1 (R3), [V24.B16]

loop:
	CBZ R1, done
	VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]

	EACH(VCMEQ, V16.B16)
	STORE(0)
	EACH(VCMEQ, V17.B16)
	STORE(8)

	LOOKUP(V19)
	VCMEQ V0.B16, V4.B16, V4.B16
	VCMEQ V1.B16, V5.B16, V5.B16
	VCMEQ V2.B16, V6.B16, V6.B16
	VCMEQ V3.B16, V7.B16, V7.B16
	STORE(16)

	LOOKUP(V20)
	VORR V21.B16, V0.B16, V8.B16
	VORR V21.B16, V1.B16, V9.B16
	VORR V21.B16, V2.B16, V10.B16
	VORR V21.B16, V3.B16, V11.B16
	VCMEQ V8.B16, V4.B16, V4.B16
	VCMEQ V9.B16, V5.B16, V5.B16
	VCMEQ V10.B16, V6.B16, V6.B16
	VCMEQ V11.B16, V7.B16, V7.B16
	STORE(24)

	EACH(VUMIN, V22.B16)
	VCMEQ V0.B16, V4.B16, V4.B16
	VCMEQ V1.B16, V5.B16, V5.B16
	VCMEQ V2.B16, V6.B16, V6.B16
	VCMEQ V3.B16, V7.B16, V7.B16
	STORE(32)

	EACH(VCMTST, V23.B16)
	STORE(40)

	ADD $48, R2
	SUB $1, R1
	B loop

done:
	RET
