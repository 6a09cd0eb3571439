r"""A second table, written before the verifier was: what the public graders' own suites ask for, by kind.

Nothing is tuned on single rows here: a row that fails shows a gap in the grammar. One case a line:
`answer ~~ gold` should match, `answer !~ gold` should not. The answer is graded as a boxed answer, or as a
whole response in the kinds whose name begins with `response`; `\n` in a line stands for a new line there.
"""

from collections.abc import Iterator

TABLE = r"""
# integers
5 ~~ 5
-7 ~~ -7
+12 ~~ 12
007 ~~ 7
$42$ ~~ 42
\(42\) ~~ 42
42. ~~ 42
42.0 ~~ 42
{42} ~~ 42
\text{42} ~~ 42
\mathbf{42} ~~ 42
**42** ~~ 42
−3 ~~ -3
４２ ~~ 42
- 3 ~~ -3
\displaystyle 42 ~~ 42
42 !~ 43
-42 !~ 42
42 !~ 4.2
420 !~ 42
24 !~ 42
12345678901234567890123 !~ 12345678901234567890124
# decimals and fractions
0.5 ~~ \frac{1}{2}
.5 ~~ 0.5
0.50 ~~ .5
1/2 ~~ \frac12
\frac{1}{2} ~~ \dfrac{1}{2}
\tfrac{1}{2} ~~ 1/2
\cfrac{3}{4} ~~ 0.75
\frac1{72} ~~ \frac{1}{72}
\frac{1}2 ~~ 0.5
\frac 3 4 ~~ 0.75
{1}/{2} ~~ \frac{1}{2}
{1 \over 2} ~~ 0.5
-\frac{3}{4} ~~ \frac{-3}{4}
\frac{3}{-4} ~~ -0.75
\frac{6}{8} ~~ \frac{3}{4}
2.50 ~~ \frac{5}{2}
\frac{\frac{1}{7}}{3} ~~ \frac{1}{21}
\tfrac{\tfrac{1}{7}}{3} ~~ \frac{\frac{1}{7}}{3}
\left(\frac{1}{2}\right) ~~ \frac{1}{2}
0.\overline{3} ~~ \frac{1}{3}
0.1\overline{6} ~~ \frac{1}{6}
0.333... ~~ \frac{1}{3}
0.33 !~ \frac{1}{3}
0.3333333333 !~ \frac{1}{3}
0.67 !~ \frac{2}{3}
\frac{1}{2} !~ \frac{1}{3}
\frac{2}{1} !~ \frac{1}{2}
0.5 !~ 0.05
3.14 !~ \pi
1/2^{99} !~ 1/2^{98}
\frac{1}{2004!} !~ \frac{1}{2006!}
10^{-20} !~ 0
0.1 !~ 0.10000001
999.9999999 !~ 1000
3/2 !~ 2/3
# mixed numbers
1\frac{1}{2} ~~ 1.5
1\frac12 ~~ \frac{3}{2}
3\frac{3}{4} ~~ 3.75
7 \frac{3}{4} ~~ \frac{31}{4}
-1\frac{1}{2} ~~ -1.5
2 1/2 ~~ 2.5
1 3/4 ~~ \frac{7}{4}
918\frac{1}{2} ~~ 918.5
x=918\frac{1}{2} ~~ 918.5
1\frac{1}{2} !~ \frac{1}{2}
1\frac{1}{2} !~ 0.5
3\frac{1}{4} !~ 3.5
# percentages
50\% ~~ 50\%
50\% ~~ 0.5
50\% ~~ \frac{1}{2}
0.5 ~~ 50\%
50% ~~ 50\%
12.5\% ~~ \frac{1}{8}
50 ~~ 50\%
50\% ~~ 50
33\frac{1}{3}\% ~~ \frac{1}{3}
100\% ~~ 1
25 \% ~~ 25\%
50 percent ~~ 50\%
10\% !~ 0.01
5\% !~ 50\%
60\% !~ 0.5
0.05 !~ 50\%
150\% !~ 0.15
# units
12\text{ cm} ~~ 12
12 \text{ cm}^2 ~~ 12
12\text{ cm} ~~ 12\text{ cm}
12 cm ~~ 12
12 ~~ 12\text{ inches}
6 \mbox{ inches}^2 ~~ 6
10\text{ units} ~~ 10
5\,\mathrm{m/s} ~~ 5
5 \text{ m/s} ~~ 5\text{ m/s}
18 dollars ~~ 18
3.5 hours ~~ 3.5
12 apples ~~ 12
100\text{ square units} ~~ 100
\frac{3}{4}\text{ miles} ~~ 0.75
2\sqrt{3}\text{ cm} ~~ 2\sqrt{3}
30^\circ ~~ 30
30 degrees ~~ 30^\circ
30° ~~ 30^{\circ}
60^\circ ~~ 60\text{ degrees}
\$5 ~~ 5
\$1{,}234.50 ~~ 1234.5
$18 ~~ 18
£20 ~~ 20
€15.50 ~~ 15.5
5 dollars ~~ \$5
12\text{ m} !~ 12\text{ cm}
12\text{ cm} !~ 13
5 thousand !~ 5
5\text{ million} ~~ 5000000
\$5 !~ 6
100 cm ~~ 1 m
30^\circ !~ 60^\circ
# scientific notation
1.2\times10^{-3} ~~ 0.0012
1.2e-3 ~~ 0.0012
1.2E3 ~~ 1200
3.0\times 10^4 ~~ 30000
3 \cdot 10^8 ~~ 300000000
10^{-3} ~~ 0.001
10^3 ~~ 1000
6.02 × 10^23 ~~ 6.02\times10^{23}
1.5 x 10^3 ~~ 1500
2*10^5 ~~ 200000
1.2\times10^{-3} !~ 1.2\times10^{3}
1.2\times10^{-3} !~ 0.012
1e10 !~ 1e11
10^{-3} !~ 10^{-4}
# thousands
1,000 ~~ 1000
1000 ~~ 1,000
1{,}000 ~~ 1000
10\,000 ~~ 10000
10\,000 ~~ 10,000
1\!000 ~~ 1000
1,\!000,\!000 ~~ 1000000
6,\!480 ~~ 6480
12\;345 ~~ 12345
12 345 ~~ 12345
1,234,567.89 ~~ 1234567.89
(1,000) ~~ 1000
-1,000 ~~ -1000
1,000 !~ 1
1,000 !~ 100
1,00 !~ 100
1.000,5 !~ 1000
# radicals
\sqrt{2} ~~ \sqrt2
\sqrt 2 ~~ \sqrt{2}
\sqrt{12} ~~ 2\sqrt{3}
2\sqrt3 ~~ 2 \sqrt{3}
\frac{\sqrt{3}}{3} ~~ \frac{1}{\sqrt{3}}
\sqrt{4} ~~ 2
\sqrt[3]{8} ~~ 2
\sqrt[3]{16} ~~ 2\sqrt[3]{2}
2^{1/2} ~~ \sqrt{2}
\frac{\sqrt{2}}{2} ~~ \sqrt{\frac{1}{2}}
\sqrt2/2 ~~ \frac{\sqrt{2}}{2}
√2 ~~ \sqrt{2}
3√5 ~~ 3\sqrt{5}
√(2) ~~ \sqrt{2}
sqrt(2) ~~ \sqrt{2}
sqrt(3)/2 ~~ \frac{\sqrt{3}}{2}
\sqrt{3+2\sqrt{2}} ~~ 1+\sqrt{2}
\frac{\sqrt{\sqrt{11}+\sqrt{194}}}{2\sqrt{33}+15} ~~ \frac{\sqrt{\sqrt{11}+\sqrt{194}}}{15+2\sqrt{33}}
\frac{1}{\sqrt{2}+1} ~~ \sqrt{2}-1
8^{\frac{1}{3}} ~~ 2
(-8)^{2} ~~ 64
\sqrt{2} !~ 1.414
1.41421356 !~ \sqrt{2}
\sqrt{2} !~ \sqrt{3}
2\sqrt{3} !~ \sqrt{6}
\sqrt[3]{2} !~ \sqrt{2}
3\sqrt{2} !~ 2\sqrt{3}
\frac{1+\sqrt{5}}{2} !~ 2
\frac{34}{16}+\frac{\sqrt{1358}}{16} !~ 4
-\sqrt{2} !~ \sqrt{2}
1 !~ \sqrt{19}
# symbolic
x+1 ~~ 1+x
2-2p ~~ -2p+2
(x+1)^2 ~~ x^2+2x+1
(x-1)(x+1) ~~ x^2-1
\frac{x}{7}+\frac{2}{7} ~~ \frac{x+2}{7}
\frac{x^2-1}{x-1} ~~ x+1
2x ~~ x \cdot 2
xy ~~ yx
x*y ~~ xy
3x^2y ~~ 3yx^2
\frac{a+b}{2} ~~ (a+b)/2
a^2b^{-1} ~~ \frac{a^2}{b}
x^{-1} ~~ \frac{1}{x}
2^{n+1} ~~ 2\cdot2^n
\sec^2(y) ~~ \tan^2(y)+1
\sin^2x+\cos^2x ~~ 1
\sin 2x ~~ 2\sin x\cos x
\cos(2x) ~~ 1-2\sin^2 x
\tan x ~~ \frac{\sin x}{\cos x}
\ln(x^2y) ~~ \ln(y x^2)
\ln 8 ~~ 3\ln 2
\log_2 8 ~~ 3
\log_{10}(1000) ~~ 3
e^{2x} ~~ (e^x)^2
e^{x}e^{y} ~~ e^{x+y}
\exp(x) ~~ e^x
\arctan 1 ~~ \frac{\pi}{4}
\sin\frac{\pi}{6} ~~ \frac12
\cos 60^\circ ~~ 0.5
\tan^{-1}(1) ~~ \frac{\pi}{4}
\binom{5}{2} ~~ 10
\dbinom{n}{2} ~~ \frac{n(n-1)}{2}
5! ~~ 120
n! ~~ n(n-1)!
\frac{n!}{(n-1)!} ~~ n
|{-3}| ~~ 3
\left|-3\right| ~~ 3
\lfloor 3.7 \rfloor ~~ 3
\lceil 3.2\rceil ~~ 4
2\pi ~~ 2π
\frac{\pi}{2} ~~ \pi/2
π/3 ~~ \frac{\pi}{3}
\pi r^2 ~~ r^2 \pi
a_{1}+a_2 ~~ a_2+a_1
\alpha + \beta ~~ \beta+\alpha
(r+5)(r+2) ~~ (r+2)(r+5)
x^3 + 3x^2 + 3x + 1 ~~ (x+1)^3
3(x+2) ~~ 3x+6
-(x-y) ~~ y-x
\frac{1}{1-x} ~~ -\frac{1}{x-1}
2^{2007}-1 ~~ 2^{2007} - 1
4^5 ~~ 2^{10}
x^2 ~~ x*x
x**2 ~~ x^2
2x^2+3x-5 ~~ -5 + 3x + 2x^2
\frac{2}{3}x ~~ \frac{2x}{3}
(+5)(b+2) !~ (a+5)(b+2)
x+1 !~ x-1
x^2+1 !~ x^2-1
2x !~ x^2
x !~ y
x !~ X
n !~ N
(x+1)^2 !~ x^2+1
\sin x !~ \cos x
\sin(2x) !~ 2\sin x
\log_2 8 !~ \log_3 8
\binom{5}{2} !~ \binom{5}{1}
5! !~ 5
e^{x} !~ e^{2x}
1-\frac1e !~ 1+\frac1e
2^{2007}-1 !~ 2^{2007}-2
2\pi !~ \pi
\ln 2 !~ \ln 3
\frac{x}{y} !~ \frac{y}{x}
a_1 !~ a_2
5 !~ x
x !~ 5
# complex numbers
3+4i ~~ 4i+3
2i ~~ 2 i
i^2 ~~ -1
(1+i)^2 ~~ 2i
(2+i)(2-i) ~~ 5
\frac{1}{i} ~~ -i
\frac{1+i}{2} ~~ \frac12+\frac{i}{2}
e^{i\pi} ~~ -1
\sqrt{-4} ~~ 2i
-2-3i ~~ -(2+3i)
\mathrm{i} ~~ i
1 + \sqrt{3}i ~~ 1+i\sqrt{3}
3+4i !~ 3-4i
3+4i !~ 4+3i
2i !~ 2
i !~ -i
# equations
x=5 ~~ 5
5 ~~ x=5
x = 5 ~~ x=5
5=x ~~ 5
y=2x+1 ~~ 2x+1
2x+1 ~~ y=2x+1
y=2x+1 ~~ y - 2x = 1
y=2x+1 ~~ 2x-y+1=0
f(x)=x^2 ~~ x^2
x^2+y^2=4 ~~ y^2+x^2=4
\frac{x^2}{4}+\frac{y^2}{4}=1 ~~ x^2+y^2=4
p = -1/2 ~~ -0.5
a + z = 0 ~~ 0 = a + z
x=\frac{1}{2} ~~ 0.5
\angle A = 60^\circ ~~ 60
AB = 10 ~~ 10
x = 1, y = 2 ~~ y=2, x=1
x=1,y=2 ~~ (1,2)
(x,y)=(1,2) ~~ (1,2)
m=n=11 ~~ n=11, m=11
x=5 !~ 6
x=5 !~ x=-5
y=2x+1 !~ y=2x-1
y=2x+1 !~ x=2y+1
x+1=5 !~ 5
x^2=4 !~ 4
2x+y=5 !~ 5
x=1,y=2 !~ x=2,y=1
# inequalities
x>5 ~~ 5<x
x > 5 ~~ x>5
x \geq 5 ~~ x \ge 5
x ≥ 5 ~~ x\geq 5
x>=5 ~~ x\ge5
1<x<2 ~~ (1,2)
1 \le x \le 2 ~~ [1,2]
x>2 ~~ (2,\infty)
x\le 3 ~~ (-\infty,3]
x<-5 \text{ or } x>5 ~~ (-\infty,-5)\cup(5,\infty)
-1\leq x<3 ~~ [-1,3)
x \ge 2 ~~ [2,+\infty)
2x>4 ~~ x>2
x\neq 1 ~~ \mathbb{R}\setminus\{1\}
x\leqslant 4 ~~ x\le 4
x>5 !~ x<5
x>5 !~ x\ge5
x>5 !~ 5
5 !~ x>5
x\le 3 !~ x\le 4
x\neq 5 !~ 5
1<x<2 !~ [1,2]
a>5 !~ b>5
# intervals
[1,2) ~~ [1, 2)
\left[1,2\right) ~~ [1,2)
(-\infty,5) ~~ \left(-\infty, 5\right)
(-∞, 5) ~~ (-\infty,5)
[0,1]\cup[2,3] ~~ [2,3]\cup[0,1]
(-\infty,-1)\cup(1,\infty) ~~ (1,\infty)\cup(-\infty,-1)
(0,\infty) ~~ (0,+\infty)
x\in[1,2] ~~ [1,2]
[-2,7] ~~ x \in [-2,7]
[0.5,1] ~~ [\frac12,1]
[1,2]∪[3,4] ~~ [1,2]\cup[3,4]
(-\infty,\infty) ~~ \mathbb{R}
[\sqrt{4},3] ~~ [2,3]
\left(-\infty,\frac{1}{2}\right] ~~ (-\infty,0.5]
[1,2) !~ (1,2]
[1,2] !~ (1,2)
[1,2) !~ [1,2]
(1,2) !~ (2,1)
[0,1] !~ [0,2]
(-\infty,5) !~ (5,\infty)
[0,1]\cup[2,3] !~ [0,1]\cup[2,4]
[0,1] !~ [0,1]\cup[2,3]
(1,2) !~ 1
(-\infty,5) !~ (-\infty,5]
# sets and lists
\{1,2,3\} ~~ \{3,2,1\}
\{1, 2\} ~~ \{1,2\}
\left\{1,2\right\} ~~ \{1,2\}
1,2,3 ~~ 3,2,1
1,2 ~~ 1, 2
1 and 2 ~~ 1,2
1 or 2 ~~ 1,2
1, 2, and 3 ~~ 1,2,3
x=1 or x=2 ~~ 1,2
x=1, x=2 ~~ \{1,2\}
x = 1, 2 ~~ 1,2
x_1=1, x_2=2 ~~ 1,2
\{1,2\} ~~ 1,2
4,-8,-10 ~~ a=4,\:-8,\:-10
a = -8,-10,4 ~~ a=4,-8,-10
\{4,-8,-10\} ~~ 4,-8,-10
\pm 2 ~~ 2,-2
\pm2 ~~ \{-2,2\}
x=\pm\sqrt{3} ~~ \sqrt{3},-\sqrt{3}
1\pm\sqrt{2} ~~ 1+\sqrt{2},1-\sqrt{2}
\{0.5,1\} ~~ \{\frac{1}{2},1\}
x \in \{1,2\} ~~ \{1,2\}
\emptyset ~~ \varnothing
\{\} ~~ \emptyset
∅ ~~ \emptyset
1,1 ~~ 1,1
100,200,300 ~~ 100, 200, 300
(1,2),(3,4) ~~ (3,4),(1,2)
x_{1}=\frac{1}{2}+\frac{\sqrt{5}}{2},\quad x_{2}=\frac{1}{2}-\frac{\sqrt{5}}{2} ~~ \frac{1\pm\sqrt{5}}{2}
\{a,b\} ~~ \{b,a\}
\{1,2\} !~ \{1,2,3\}
\{1,2,3\} !~ \{1,2\}
1 !~ 1,2
1,2 !~ 1
2 !~ \pm 2
\{1,2\} !~ \{1,3\}
1,2,3 !~ 1,2,4
\emptyset !~ \{0\}
\emptyset !~ 0
0 !~ \emptyset
5 or 6 !~ 6
(1,2),(3,4) !~ (1,2),(4,3)
\{1\} !~ \{2\}
# tuples and vectors
(1,2) ~~ (1, 2)
\left(1,2\right) ~~ (1,2)
(1,4.5) ~~ (1,\frac{9}{2})
( \frac{1}{2} , 3) ~~ (0.5,3)
(1,2,3) ~~ \left( 1, 2, 3 \right)
\langle 1,2,3\rangle ~~ \langle 1, 2, 3 \rangle
(\sqrt{4},1) ~~ (2,1)
(x,y) ~~ (x, y)
(3,\frac{\pi}{2}) ~~ \left( 3, \frac{\pi}{2} \right)
(-1,0) ~~ (−1,0)
(1,2) !~ (1,3)
(2,1) !~ (1,2)
(1,2,3) !~ (1,2)
(1,2) !~ (1,2,3)
(1,2) !~ \{1,2,3\}
(3,\frac{\pi}{2}) !~ (3,\frac{\pi}{3})
# matrices
\begin{pmatrix}1&2\\3&4\end{pmatrix} ~~ \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}
\begin{bmatrix}1&2\\3&4\end{bmatrix} ~~ \begin{pmatrix}1&2\\3&4\end{pmatrix}
\begin{pmatrix}\frac{1}{2}\\0.5\end{pmatrix} ~~ \begin{pmatrix}0.5\\ \frac12\end{pmatrix}
\left(\begin{array}{cc}1&2\\3&4\end{array}\right) ~~ \begin{pmatrix}1&2\\3&4\end{pmatrix}
\begin{pmatrix}-\frac{7}{4}&-2\\4&\frac{1}{4}\end{pmatrix} ~~ \begin{pmatrix}-\frac{7}{4}&-2\\4&\frac{1}{4}\\\end{pmatrix}
\begin{pmatrix}-\frac{7}{4}&-2\\4&\frac{1}{4}\end{pmatrix} ~~ (\begin{pmatrix}-\frac{7}{4}&-2\\4&\frac{1}{4}\\\end{pmatrix})
\begin{pmatrix}\sqrt{4}\\3\end{pmatrix} ~~ \begin{pmatrix}2\\3\end{pmatrix}
\begin{vmatrix}1&2\\3&4\end{vmatrix} ~~ -2
\begin{pmatrix}1&2\\3&4\end{pmatrix} !~ \begin{pmatrix}1&2\\3&5\end{pmatrix}
\begin{pmatrix}1&2\\3&4\end{pmatrix} !~ \begin{pmatrix}1&3\\2&4\end{pmatrix}
\begin{pmatrix}1&2\end{pmatrix} !~ \begin{pmatrix}1\\2\end{pmatrix}
\begin{pmatrix}1\\2\end{pmatrix} !~ 1
# bases
101_2 ~~ 101_2
101_{2} ~~ 101_2
2516_8 ~~ 2516_{8}
101_2 ~~ 5
1A_{16} ~~ 26
101_2 !~ 101_3
101_2 !~ 111_2
101_2 !~ 101
2516_8 !~ 2517_8
# multiple choice
(B) ~~ B
B. ~~ B
B) ~~ B
\text{B} ~~ B
\text{(B)} ~~ B
\textbf{(C)} ~~ C
\textbf{(C) } 42 ~~ C
\mathrm{D} ~~ \text{D}
B ~~ (B)
B ~~ \text{(B)}
\boxed{A} ~~ A
A, C ~~ A,C
C !~ B
(A) !~ B
A or B !~ B
AB !~ B
A and B !~ B
# text
\text{Even} ~~ \text{even}
Monday ~~ \text{Monday}
\textbf{yes} ~~ yes
no solution ~~ \text{No solution}
\text{Evelyn} ~~ Evelyn
**blue** ~~ blue
\text{true} ~~ True
\text{ellipse} ~~ ellipse
Yes. ~~ Yes
\text{no} !~ yes
red !~ blue
left or right !~ left
Evelyn !~ Evan
# infinity and time
\infty ~~ +\infty
-\infty ~~ −∞
∞ ~~ \infty
\infty !~ -\infty
\infty !~ 8
12:00 !~ 1:00
12:00 ~~ 12:00
3:30 !~ 3:45
2:3 ~~ 2:3
3:4 !~ 4:3
# unicode
½ ~~ \frac{1}{2}
x² ~~ x^2
2·3 ~~ 6
2×3 ~~ 6
6÷2 ~~ 3
¾ ~~ 0.75
1½ ~~ 1.5
x³+1 ~~ x^3+1
10⁻³ ~~ 0.001
x₁ ~~ x_1
α ~~ \alpha
θ/2 ~~ \frac{\theta}{2}
x² !~ x^3
½ !~ \frac13
x ≤ 5 ~~ x\le 5
# hostile
__import__('os').system('true') !~ 5
9^{9^{9^{9}}} !~ 5
9^{9^{9^{9}}} ~~ 9^{9^{9^{9}}}
9^{9^{9^{9}}} !~ 9^{9^{9^{8}}}
10^{10^{10}}! !~ 1
(10^9)! !~ 5
1000000000! !~ 1
\frac{1}{0} !~ 5
\frac{0}{0} !~ 0
\frac{x}{0} !~ x
5/0 !~ 0
0^{-1} !~ 0
\frac{1}{1-1} !~ 1
5;5 !~ 5
5\end{document} !~ 5
exec("5") !~ 5
[].__class__ !~ 5
lambda: 5 !~ 5
nan !~ nan1
{5 !~ 5
}5{ !~ 5
\sqrt[0]{5} !~ 5
\log_1 5 !~ 5
# response: thoughts and tags
<think>it is 6</think><answer>5</answer> ~~ 5
<think>it is 5</think><answer>6</answer> !~ 5
<think>it is \boxed{5} !~ 5
<think>6</think>So \boxed{5}. ~~ 5
<think>\boxed{5}</think>I do not know. !~ 5
<answer>6</answer> no, <answer>5</answer> ~~ 5
<answer>5</answer> no, <answer>6</answer> !~ 5
<think>a</think><answer>So \boxed{5}</answer> ~~ 5
<think>a</think><answer></answer> !~ 5
<think>a</think><answer>The answer is 5</answer> ~~ 5
</think>\n\n\boxed{5} ~~ 5
# response: boxes
First \boxed{3}, but then \boxed{5} ~~ 5
The result is $\boxed{\frac{1}{2}}$. ~~ 0.5
\boxed{5} hence \boxed{} !~ 5
\boxed{5} hence \boxed{6 !~ 5
\fbox{5} ~~ 5
\[\boxed{x^2+1}\] ~~ x^2+1
$$\boxed{\left\{1,2\right\}}$$ ~~ \{1,2\}
Thus \boxed{\text{(B)}}. ~~ B
\boxed {7} ~~ 7
\boxed{\boxed{7}} ~~ 7
We get $\boxed{1}$ and $\boxed{2}$. ~~ 1,2
# response: anchors
The answer is 5. ~~ 5
The answer is $5$. ~~ 5
The answer is 5, because 2+3=5. ~~ 5
So the final answer is: 5 ~~ 5
Final Answer: The final answer is $5$. I hope it is correct. ~~ 5
**Final Answer**\n\n42 ~~ 42
**Answer:** 42 ~~ 42
Answer: B ~~ B
The answer is (C). ~~ C
The answer is 3.5. ~~ 3.5
The answer is 1,234. ~~ 1234
Therefore, the answer is \frac{1}{2}. ~~ 0.5
The answer is $x=5$. ~~ 5
the answer is not 5 but 6 !~ 5
答案是 5。 ~~ 5
最终答案：42 ~~ 42
所以答案为$\frac{1}{2}$。 ~~ 0.5
故选B。 ~~ B
The answer is 4. No wait, the answer is 5. ~~ 5
The answer is 5. No wait, the answer is 4. !~ 5
She has 48/2 = 24 clips.\n#### 72 ~~ 72
#### 1,080 ~~ 1080
#### 72\n ~~ 72
# response: plain
5 ~~ 5
She sold 72 clips. ~~ 72
So she makes $18 per day. ~~ 18
In total there are 3 + 4 = 7 apples. ~~ 7
In total there are 3 + 4 = 7 apples. !~ 3
I do not know. !~ 5
It costs $1,234.50 in total. ~~ 1234.5
Thus the sum equals $x+1$. ~~ x+1
"""


def cases() -> Iterator[tuple[str, str, str, bool]]:
    """(kind, response, gold, whether they should match)."""
    return parse(TABLE)


def parse(table: str) -> Iterator[tuple[str, str, str, bool]]:
    """The same of another table of this form."""
    kind = ""
    for line in table.strip().splitlines():
        if line.startswith("# "):
            kind = line[2:]
            continue
        equal = " ~~ " in line
        answer, _, gold = line.partition(" ~~ " if equal else " !~ ")
        if kind.startswith("response"):
            yield kind, answer.replace(r"\n", "\n"), gold, equal
        else:
            yield kind, rf"\boxed{{{answer}}}", gold, equal
