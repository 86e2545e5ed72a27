// Command generate writes the assembly of stream's search for bytes to escape: run
// `go generate` in the package's folder.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!purego")
	TEXT("plainAVX2", NOSPLIT, "func(text *byte, n int) int")
	Doc("plainAVX2 returns how many of n bytes, a multiple of 32, come before the first 32 that have one to look at.")
	text, n := Load(Param("text"), GP64()), Load(Param("n"), GP64())
	fill := func(b uint32) VecVirtual {
		r, x, y := GP32(), XMM(), YMM()
		MOVL(U32(b), r)
		VMOVD(r, x)
		VPBROADCASTB(x, y)
		return y
	}
	quote, backslash, space := fill('"'), fill('\\'), fill(' ')
	i := GP64()
	XORQ(i, i)
	Label("loop")
	CMPQ(i, n)
	JGE(LabelRef("done"))
	y, a, b := YMM(), YMM(), YMM()
	VMOVDQU(Mem{Base: text, Index: i, Scale: 1}, y)
	VPCMPEQB(y, quote, a)
	VPCMPEQB(y, backslash, b)
	VPOR(a, b, a)
	// Signed, a byte that is not ASCII is below a space as well.
	VPCMPGTB(y, space, b)
	VPOR(a, b, a)
	found := GP32()
	VPMOVMSKB(a, found)
	TESTL(found, found)
	JNZ(LabelRef("done"))
	ADDQ(U8(32), i)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	Store(i, ReturnIndex(0))
	RET()
	Generate()
}
