// Command generate writes the assembly of simdjson's kernels: run `go generate`
// in the package's folder.
//
// A kernel is stage 1 of the parser as Langdale and Lemire describe it in
// "Parsing Gigabytes of JSON per Second" (VLDB Journal 28, 2019), with UTF-8
// validation after Keiser and Lemire, "Validating UTF-8 In Less Than One
// Instruction Per Byte" (2021). It differs in what it indexes: the closing quote
// of a string as well as the opening one, so that stage 2 need not look for it,
// and, in an index of their own, the backslashes.
//
// The generator reads the package's types, so the package must compile: declare
// a new function in scan_amd64.go by hand before it is generated.
package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	Package("github.com/gqlboost/gqlboost/simdjson")
	ConstraintExpr("amd64,!purego")
	defineTables()
	avx512()
	avx2()
	Generate()
}

// bytes64 defines a constant of 64 bytes.
func bytes64(name string, at func(i int) byte) Mem {
	m := GLOBL(name, RODATA|NOPTR)
	for i := 0; i < 64; i += 8 {
		var v uint64
		for j := range 8 {
			v |= uint64(at(i+j)) << (8 * j)
		}
		DATA(i, U64(v))
	}
	return m
}

// lane repeats a table of 16 bytes, which is what a shuffle looks up.
func lane(table [16]byte) func(int) byte { return func(i int) byte { return table[i%16] } }

// The tables of the UTF-8 lookup: each bit is a kind of error that the first
// byte's high half, its low half, and the second byte's high half allow.
const (
	tooShort    = 1 << 0
	tooLong     = 1 << 1
	overlong3   = 1 << 2
	tooLarge    = 1 << 3
	surrogate   = 1 << 4
	overlong2   = 1 << 5
	tooLarge1k  = 1 << 6
	overlong4   = 1 << 6
	twoContinue = 1 << 7
	carry       = tooShort | tooLong | twoContinue
)

var (
	firstHigh = [16]byte{
		tooLong, tooLong, tooLong, tooLong, tooLong, tooLong, tooLong, tooLong,
		twoContinue, twoContinue, twoContinue, twoContinue,
		tooShort | overlong2, tooShort, tooShort | overlong3 | surrogate, tooShort | tooLarge | tooLarge1k | overlong4,
	}
	firstLow = [16]byte{
		carry | overlong3 | overlong2 | overlong4, carry | overlong2, carry, carry,
		carry | tooLarge, carry | tooLarge | tooLarge1k,
		carry | tooLarge | tooLarge1k, carry | tooLarge | tooLarge1k,
		carry | tooLarge | tooLarge1k, carry | tooLarge | tooLarge1k,
		carry | tooLarge | tooLarge1k, carry | tooLarge | tooLarge1k,
		carry | tooLarge | tooLarge1k, carry | tooLarge | tooLarge1k | surrogate,
		carry | tooLarge | tooLarge1k, carry | tooLarge | tooLarge1k,
	}
	secondHigh = [16]byte{
		tooShort, tooShort, tooShort, tooShort, tooShort, tooShort, tooShort, tooShort,
		tooLong | overlong2 | twoContinue | overlong3 | tooLarge1k | overlong4,
		tooLong | overlong2 | twoContinue | overlong3 | tooLarge,
		tooLong | overlong2 | twoContinue | surrogate | tooLarge,
		tooLong | overlong2 | twoContinue | surrogate | tooLarge,
		tooShort, tooShort, tooShort, tooShort,
	}
	// A byte is white space if it is what its low half finds here.
	spaces = [16]byte{' ', 100, 100, 100, 17, 100, 113, 2, 100, '\t', '\n', 112, 100, '\r', 100, 100}
	// A byte is an operator if it, with bit 5 set, is what its low half finds
	// here. So are two control characters, which stage 2 refuses.
	operators = [16]byte{10: ':', 11: '{', 12: ',', 13: '}'}
)

// The constants in memory that both kernels use.
var tableSpaces, tableOperators, tableFirstHigh, tableFirstLow, tableSecondHigh, odd Mem

func defineTables() {
	tableSpaces, tableOperators = bytes64("spaces", lane(spaces)), bytes64("operators", lane(operators))
	tableFirstHigh, tableFirstLow = bytes64("firstHigh", lane(firstHigh)), bytes64("firstLow", lane(firstLow))
	tableSecondHigh = bytes64("secondHigh", lane(secondHigh))
	odd = GLOBL("odd", RODATA|NOPTR)
	DATA(0, U64(0xAAAAAAAAAAAAAAAA))
}

func avx512() {
	iota64 := bytes64("iota64", func(i int) byte { return byte(i) })
	// behind(n) shifts two registers by n bytes: the bytes n places before.
	behind := func(name string, n int) Mem { return bytes64(name, func(i int) byte { return byte(64 + i - n) }) }
	behind1, behind2, behind3 := behind("behind1", 1), behind("behind2", 2), behind("behind3", 3)
	TEXT("scanAVX512", NOSPLIT,
		"func(data *byte, blocks int, base uint32, index *uint32, backslashes *uint32, s *scanState)")
	Doc("scanAVX512 indexes blocks of 64 bytes.")
	data := Load(Param("data"), GP64())
	blocks := Load(Param("blocks"), GP64())
	base := Load(Param("base"), GP32())
	index := Load(Param("index"), GP64())
	// Backslashes are rare: where they go is kept on the stack.
	escapes, err := Param("backslashes").Resolve()
	if err != nil {
		panic(err)
	}
	s := Dereference(Param("s"))
	state := func(field string) Register { return Load(s.Field(field), GP64()) }
	inString, escapedCarry, scalarCarry := state("inString"), state("escaped"), state("scalar")
	control := state("control")

	fill := func(b uint64) VecVirtual {
		z, r := ZMM(), GP32()
		MOVL(U32(b), r)
		VPBROADCASTB(r, z)
		return z
	}
	load := func(m Mem) VecVirtual {
		z := ZMM()
		VMOVDQU64(m, z)
		return z
	}
	quoteByte, backslashByte, space, lowHalf := fill('"'), fill('\\'), fill(0x20), fill(0x0F)
	positions, zs, zo := load(iota64), load(tableSpaces), load(tableOperators)
	prevAddr, err := s.Field("previous").Index(0).Resolve()
	if err != nil {
		panic(err)
	}
	previous := load(prevAddr.Addr)
	bad := ZMM()
	VPXORQ(bad, bad, bad)
	allOnes := XMM()
	VPTERNLOGD(U8(0xFF), allOnes, allOnes, allOnes)

	Label("block")
	TESTQ(blocks, blocks)
	JZ(LabelRef("done"))
	z := ZMM()
	VMOVDQU64(Mem{Base: data}, z)

	mask := func(k Register) GPVirtual {
		r := GP64()
		KMOVQ(k, r)
		return r
	}
	equal := func(a, b VecVirtual) GPVirtual {
		k := K()
		VPCMPEQB(a, b, k)
		return mask(k)
	}

	// Strings.
	backslash := equal(z, backslashByte)
	escaped := GP64()
	MOVQ(escapedCarry, escaped)
	XORQ(escapedCarry, escapedCarry)
	TESTQ(backslash, backslash)
	JZ(LabelRef("unescaped"))
	{
		findEscaped(backslash, escaped, escapedCarry)
		to := GP64()
		MOVQ(escapes.Addr, to)
		flatten(backslash, base, positions, to, "backslash")
		MOVQ(to, escapes.Addr)
	}
	Label("unescaped")
	quote := equal(z, quoteByte)
	ANDNQ(quote, escaped, quote)
	x := XMM()
	VMOVQ(quote, x)
	VPCLMULQDQ(U8(0), allOnes, x, x)
	inside := GP64()
	VMOVQ(x, inside)
	XORQ(inString, inside)
	MOVQ(inside, inString)
	SARQ(U8(63), inString)

	// Control characters in strings.
	kc := K()
	VPCMPUB(U8(1), space, z, kc) // less than
	low := mask(kc)
	ANDQ(inside, low)
	ORQ(low, control)

	// Operators, and the first bytes of literals and numbers.
	zl := ZMM()
	VPSHUFB(z, zs, zl)
	white := equal(zl, z)
	VPSHUFB(z, zo, zl)
	zu := ZMM()
	VPORQ(space, z, zu)
	operator := equal(zl, zu)
	scalar := positionsOf(operator, white, quote, inside, scalarCarry)
	flatten(scalar, base, positions, index, "index")

	// UTF-8: only where this block or the end of the last is not ASCII.
	{
		kn := K()
		both := ZMM()
		VPORQ(previous, z, both)
		VPMOVB2M(both, kn)
		KTESTQ(kn, kn)
		JZ(LabelRef("ascii"))
		shifted := func(table Mem) VecVirtual {
			idx := load(table)
			VPERMI2B(z, previous, idx)
			return idx
		}
		prev1 := shifted(behind1)
		half := func(v VecVirtual) VecVirtual {
			h := ZMM()
			VPSRLW(U8(4), v, h)
			VPANDQ(lowHalf, h, h)
			return h
		}
		lookup := func(table Mem, at VecVirtual) VecVirtual {
			t := load(table)
			VPSHUFB(at, t, t)
			return t
		}
		low1 := ZMM()
		VPANDQ(lowHalf, prev1, low1)
		special := lookup(tableFirstHigh, half(prev1))
		VPANDQ(lookup(tableFirstLow, low1), special, special)
		VPANDQ(lookup(tableSecondHigh, half(z)), special, special)
		prev2, prev3 := shifted(behind2), shifted(behind3)
		VPSUBUSB(fill(0xE0-0x80), prev2, prev2)
		VPSUBUSB(fill(0xF0-0x80), prev3, prev3)
		VPORQ(prev2, prev3, prev2)
		VPANDQ(fill(0x80), prev2, prev2)
		VPXORQ(prev2, special, special)
		VPORQ(special, bad, bad)
	}
	Label("ascii")
	VMOVDQA64(z, previous)
	ADDQ(U8(64), data)
	ADDL(U8(64), base)
	DECQ(blocks)
	JMP(LabelRef("block"))

	Label("done")
	s = Dereference(Param("s"))
	prevAddr, err = s.Field("previous").Index(0).Resolve()
	if err != nil {
		panic(err)
	}
	store := func(field string, r Register) { Store(r, s.Field(field)) }
	store("inString", inString)
	store("escaped", escapedCarry)
	store("scalar", scalarCarry)
	store("control", control)
	kb := K()
	VPTESTMB(bad, bad, kb)
	badMask := mask(kb)
	invalid := state("invalid")
	ORQ(badMask, invalid)
	store("invalid", invalid)
	VMOVDQU64(previous, prevAddr.Addr)
	// The Go side knows where the indexes start.
	store("indexed", index)
	last := GP64()
	MOVQ(escapes.Addr, last)
	store("escapes", last)
	VZEROUPPER()
	RET()
}

// flatten writes the positions of a mask's bits, 16 at a time: it may write 15
// more than there are.
func flatten(bits, base Register, positions VecVirtual, to Register, name string) {
	n := GP64()
	POPCNTQ(bits, n)
	k := K()
	KMOVQ(bits, k)
	packed := ZMM()
	// avo does not know VBMI2.
	Instruction(&ir.Instruction{
		Opcode: "VPCOMPRESSB", Suffixes: []string{"Z"}, Operands: []Op{positions, k, packed},
		Inputs: []Op{positions, k}, Outputs: []Op{packed}, ISA: []string{"AVX512VBMI2"},
	})
	offset := ZMM()
	VPBROADCASTD(base, offset)
	for group := range 4 {
		part := packed.AsX()
		if group > 0 {
			CMPQ(n, U8(16*group))
			JLE(LabelRef(name + "End"))
			part = XMM()
			VEXTRACTI32X4(U8(group), packed, part)
		}
		wide := ZMM()
		VPMOVZXBD(part, wide)
		VPADDD(offset, wide, wide)
		VMOVDQU32(wide, Mem{Base: to, Disp: 64 * group})
	}
	Label(name + "End")
	LEAQ(Mem{Base: to, Index: n, Scale: 4}, to)
}

// findEscaped sets escaped, which holds the carry from the last block, to the
// bytes that a backslash escapes, and the carry to the next block. It is the way
// of simdjson: subtracting finds, in runs of backslashes, every other one.
func findEscaped(backslash, escaped, carry Register) {
	carried := GP64()
	MOVQ(escaped, carried)
	potential := GP64()
	ANDNQ(backslash, carried, potential)
	series := GP64()
	LEAQ(Mem{Base: potential, Index: potential, Scale: 1}, series)
	ORQ(odd, series)
	SUBQ(potential, series)
	XORQ(odd, series) // escapes and what they escape
	MOVQ(backslash, escaped)
	ORQ(carried, escaped)
	XORQ(series, escaped)
	ANDQ(backslash, series)
	MOVQ(series, carry)
	SHRQ(U8(63), carry)
}

// positionsOf returns what goes into the index: operators and first bytes of
// scalars outside of strings, and quotes.
func positionsOf(operator, white, quote, inside, carry Register) GPVirtual {
	scalar := GP64()
	MOVQ(operator, scalar)
	ORQ(white, scalar)
	ORQ(quote, scalar)
	NOTQ(scalar)
	follows := GP64()
	LEAQ(Mem{Base: carry, Index: scalar, Scale: 2}, follows)
	MOVQ(scalar, carry)
	SHRQ(U8(63), carry)
	ANDNQ(scalar, follows, scalar)
	ORQ(operator, scalar)
	ANDNQ(scalar, inside, scalar)
	ORQ(quote, scalar)
	return scalar
}

// avx2 is the same for 32 bytes at a time, two of them a block.
func avx2() {
	TEXT("scanAVX2", NOSPLIT,
		"func(data *byte, blocks int, base uint32, index *uint32, backslashes *uint32, s *scanState)")
	Doc("scanAVX2 indexes blocks of 64 bytes.")
	data := Load(Param("data"), GP64())
	// The number of blocks, the index and where backslashes go are kept on the
	// stack: there are not enough registers.
	onStack := func(name string) Mem {
		p, err := Param(name).Resolve()
		if err != nil {
			panic(err)
		}
		return p.Addr
	}
	blocks, index, escapes := onStack("blocks"), onStack("index"), onStack("backslashes")
	base := GP32()
	Load(Param("base"), base)
	s := Dereference(Param("s"))
	state := func(field string) Register { return Load(s.Field(field), GP64()) }
	inString, escapedCarry, scalarCarry := state("inString"), state("escaped"), state("scalar")
	control := state("control")
	previousAddr := func() Mem {
		p, err := s.Field("previous").Index(32).Resolve()
		if err != nil {
			panic(err)
		}
		return p.Addr
	}
	previous, bad := YMM(), YMM()
	VMOVDQU(previousAddr(), previous)
	VPXOR(bad, bad, bad)
	constant := func(b uint64) VecVirtual {
		y, x, r := YMM(), XMM(), GP32()
		MOVL(U32(b), r)
		VMOVD(r, x)
		VPBROADCASTB(x, y)
		return y
	}

	Label("block")
	CMPQ(blocks, U8(0))
	JE(LabelRef("done"))
	low, high := YMM(), YMM()
	VMOVDQU(Mem{Base: data}, low)
	VMOVDQU(Mem{Base: data, Disp: 32}, high)
	// mask makes one bit for each byte of both halves.
	mask := func(test func(half, result VecVirtual)) GPVirtual {
		y, a, b := YMM(), GP64(), GP64()
		test(low, y)
		VPMOVMSKB(y, a.As32())
		test(high, y)
		VPMOVMSKB(y, b.As32())
		SHLQ(U8(32), b)
		ORQ(b, a)
		return a
	}
	equal := func(b uint64) GPVirtual {
		c := constant(b)
		return mask(func(half, result VecVirtual) { VPCMPEQB(half, c, result) })
	}

	backslash := equal('\\')
	escaped := GP64()
	MOVQ(escapedCarry, escaped)
	XORQ(escapedCarry, escapedCarry)
	TESTQ(backslash, backslash)
	JZ(LabelRef("unescaped"))
	findEscaped(backslash, escaped, escapedCarry)
	flattenBits(backslash, base, escapes, "backslash")
	Label("unescaped")
	quote := equal('"')
	ANDNQ(quote, escaped, quote)
	x, ones := XMM(), XMM()
	VPCMPEQB(ones, ones, ones)
	VMOVQ(quote, x)
	VPCLMULQDQ(U8(0), ones, x, x)
	inside := GP64()
	VMOVQ(x, inside)
	XORQ(inString, inside)
	MOVQ(inside, inString)
	SARQ(U8(63), inString)

	limit := constant(0x1F)
	controls := mask(func(half, result VecVirtual) {
		VPMAXUB(half, limit, result)
		VPCMPEQB(limit, result, result)
	})
	ANDQ(inside, controls)
	ORQ(controls, control)

	table := YMM()
	VMOVDQU(tableSpaces, table)
	white := mask(func(half, result VecVirtual) {
		VPSHUFB(half, table, result)
		VPCMPEQB(half, result, result)
	})
	bit5 := constant(0x20)
	VMOVDQU(tableOperators, table)
	operator := mask(func(half, result VecVirtual) {
		upper := YMM()
		VPOR(half, bit5, upper)
		VPSHUFB(half, table, result)
		VPCMPEQB(upper, result, result)
	})
	found := positionsOf(operator, white, quote, inside, scalarCarry)
	flattenBits(found, base, index, "index")

	both := YMM()
	VPOR(low, high, both)
	VPOR(previous, both, both)
	anyHigh := GP32()
	VPMOVMSKB(both, anyHigh)
	TESTL(anyHigh, anyHigh)
	JZ(LabelRef("ascii"))
	checkUTF8(low, previous, bad, constant)
	checkUTF8(high, low, bad, constant)
	Label("ascii")
	VMOVDQA(high, previous)
	ADDQ(U8(64), data)
	ADDL(U8(64), base)
	DECQ(blocks)
	JMP(LabelRef("block"))

	Label("done")
	s = Dereference(Param("s"))
	store := func(field string, r Register) { Store(r, s.Field(field)) }
	store("inString", inString)
	store("escaped", escapedCarry)
	store("scalar", scalarCarry)
	store("control", control)
	zero, clean, invalid := YMM(), GP32(), GP64()
	VPXOR(zero, zero, zero)
	VPCMPEQB(bad, zero, zero)
	VPMOVMSKB(zero, clean)
	NOTL(clean)
	Load(s.Field("invalid"), invalid)
	ORQ(clean.As64(), invalid)
	store("invalid", invalid)
	VMOVDQU(previous, previousAddr())
	end := GP64()
	MOVQ(index, end)
	store("indexed", end)
	MOVQ(escapes, end)
	store("escapes", end)
	VZEROUPPER()
	RET()
}

// checkUTF8 adds the errors in a vector to bad.
func checkUTF8(y, before, bad VecVirtual, constant func(uint64) VecVirtual) {
	across := YMM() // the end of the one and the start of the other
	VPERM2I128(U8(0x21), y, before, across)
	shifted := func(n uint64) VecVirtual {
		r := YMM()
		VPALIGNR(U8(16-n), across, y, r)
		return r
	}
	lowHalf := constant(0x0F)
	high := func(v VecVirtual) VecVirtual {
		h := YMM()
		VPSRLW(U8(4), v, h)
		VPAND(lowHalf, h, h)
		return h
	}
	lookup := func(table Mem, at VecVirtual) VecVirtual {
		t := YMM()
		VMOVDQU(table, t)
		VPSHUFB(at, t, t)
		return t
	}
	prev1 := shifted(1)
	special := lookup(tableFirstHigh, high(prev1))
	low1 := YMM()
	VPAND(lowHalf, prev1, low1)
	VPAND(lookup(tableFirstLow, low1), special, special)
	VPAND(lookup(tableSecondHigh, high(y)), special, special)
	prev2, prev3 := shifted(2), shifted(3)
	VPSUBUSB(constant(0xE0-0x80), prev2, prev2)
	VPSUBUSB(constant(0xF0-0x80), prev3, prev3)
	VPOR(prev2, prev3, prev2)
	VPAND(constant(0x80), prev2, prev2)
	VPXOR(prev2, special, special)
	VPOR(special, bad, bad)
}

// flattenBits writes the positions of a mask's bits, eight at a time: it may
// write seven more than there are. Where they go is in memory.
func flattenBits(bits GPVirtual, base GPVirtual, to Mem, name string) {
	n, out := GP64(), GP64()
	POPCNTQ(bits, n)
	MOVQ(to, out)
	LEAQ(Mem{Base: out, Index: n, Scale: 4}, n)
	MOVQ(n, to)
	Label(name + "Loop")
	CMPQ(out, n)
	JAE(LabelRef(name + "End"))
	for i := range 8 {
		position := GP64()
		TZCNTQ(bits, position)
		BLSRQ(bits, bits)
		ADDL(base, position.As32())
		MOVL(position.As32(), Mem{Base: out, Disp: 4 * i})
	}
	ADDQ(U8(32), out)
	JMP(LabelRef(name + "Loop"))
	Label(name + "End")
}
