r"""A third table, written without sight of the verifier: answers as MATH, AIME and olympiad sets have them, and as
models write them. One case a line, as in the second table: `answer ~~ gold` should match, `answer !~ gold` should not.
"""

from collections.abc import Iterator

from tests.rewards.cases_second import parse

TABLE = r"""
# numbers
204 ~~ 204
0204 ~~ 204
204\! ~~ 204
\mathrm{204} ~~ 204
\boldsymbol{204} ~~ 204
\quad 204 \quad ~~ 204
\large{204} ~~ 204
204, ~~ 204
\fbox{204} ~~ 204
240 !~ 204
20.4 !~ 204
204i !~ 204
2^{2}\cdot 3\cdot 17 ~~ 204
-0 ~~ 0
1 !~ 0
\infty ~~ \infty
-\infty !~ \infty
10^{100} !~ 10^{101}
10^{100}+1 !~ 10^{100}
\lfloor 204.7 \rfloor ~~ 204
\binom{10}{3} ~~ 120
5! ~~ 120
5! !~ 5
# fractions and mixed numbers
\frac{17}{50} ~~ 0.34
\frac{50}{17} !~ 0.34
\frac{-3}{-4} ~~ \frac34
-\frac{3}{-4} ~~ \frac34
2\frac{3}{4} ~~ \frac{11}{4}
2\,\frac{3}{4} ~~ 2.75
2 3/4 ~~ \frac{11}{4}
-2\frac{3}{4} ~~ -\frac{11}{4}
2\cdot\frac{3}{4} ~~ 1.5
2\frac{3}{4} !~ \frac{3}{2}
23/4 !~ 2\frac{3}{4}
\dfrac{\pi}{6} ~~ \frac{\pi}{6}
\pi/6 ~~ \frac16\pi
\frac{\pi}{6} !~ \frac{6}{\pi}
\frac{1}{1+\frac{1}{2}} ~~ \frac23
3 : 4 !~ 4 : 3
6:8 ~~ 3:4
0.\overline{142857} ~~ \frac17
0.142857 !~ \frac17
# percentages
12.5\% ~~ 12.5\%
12.5 \% ~~ \frac18
12.5\text{ percent} ~~ 12.5\%
12.5 ~~ 12.5\%
1.25\% !~ 12.5\%
\frac{25}{2}\% ~~ 12.5\%
150\% ~~ \frac32
# units and money
\$18.90 ~~ 18.90
18.90 ~~ \$18.9
\text{\$}18.90 ~~ 18.90
1890 !~ \$18.90
45^\circ ~~ 45
45^{\circ} ~~ 45^\circ
45\text{ degrees} ~~ 45^\circ
54^\circ !~ 45^\circ
12\text{ cm}^2 ~~ 12
12\ \mathrm{cm}^2 ~~ 12\text{ cm}^2
12\text{ square centimeters} ~~ 12
5\text{ miles per hour} ~~ 5
36\pi\text{ cubic feet} ~~ 36\pi
9.8\,\mathrm{m/s^2} ~~ 9.8
3\text{ hours} ~~ 180\text{ minutes}
3\text{ hours} !~ 3\text{ minutes}
7\text{ apples} ~~ 7
2:30\text{ p.m.} ~~ 2:30 PM
2:30 !~ 2:03
# scientific and separators
6.02\times 10^{23} ~~ 6.02 \cdot 10^{23}
6.02e23 ~~ 6.02\times10^{23}
6.02\times10^{22} !~ 6.02\times10^{23}
1.5\times 10^{-4} ~~ 0.00015
1,234,567 ~~ 1234567
1\,234\,567 ~~ 1234567
1{,}234{,}567 ~~ 1234567
1\text{,}234 ~~ 1234
1.234.567 !~ 1234568
12,34 !~ 1234
# radicals and logarithms
3\sqrt{13} ~~ \sqrt{117}
\sqrt{117} !~ \sqrt{118}
\frac{\sqrt{6}-\sqrt{2}}{4} ~~ \sin 15^\circ
\sqrt[3]{54} ~~ 3\sqrt[3]{2}
\sqrt[3]{2} !~ 3\sqrt{2}
2^{1/3} ~~ \sqrt[3]{2}
\sqrt{3+2\sqrt2} ~~ 1+\sqrt2
\sqrt{3-2\sqrt2} ~~ \sqrt2-1
\sqrt{3-2\sqrt2} !~ 1-\sqrt2
\frac{1}{\sqrt2+1} ~~ \sqrt2-1
13√3 ~~ 13\sqrt{3}
\sqrt{10}/5 ~~ \sqrt{\frac25}
\log_2 3 ~~ \frac{\ln 3}{\ln 2}
\log_2 3 !~ \log_3 2
e^{\ln 5} ~~ 5
\ln\frac12 ~~ -\ln 2
# symbolic
x^2+2x+1 ~~ (x+1)^2
(x+1)^2 !~ x^2+1
\frac{x^2-1}{x-1} ~~ x+1
2a b ~~ 2ba
a(b+c) ~~ ab+ac
a(b+c) !~ ab+c
n(n+1)/2 ~~ \frac{n^2+n}{2}
\frac{n(n-1)}{2} !~ \frac{n(n+1)}{2}
2^{n+1} ~~ 2\cdot 2^n
2^{n+1} !~ 2^n+1
\sin 2x ~~ 2\sin x\cos x
-(x-3)(x+3) ~~ 9-x^2
\frac{a}{b}+\frac{c}{d} ~~ \frac{ad+bc}{bd}
F_{n+1} !~ F_{n}
x_1+x_2 ~~ x_2+x_1
1-i ~~ -i+1
(1+i)^2 ~~ 2i
\frac{1}{i} ~~ -i
e^{i\pi} ~~ -1
3+4i !~ 4+3i
# equations
y=-\frac{3}{2}x+5 ~~ 3x+2y=10
y = 2x + 3 ~~ y=3+2x
y = 2x + 3 !~ y=2x-3
2x + 3 ~~ y=2x+3
x = 4 ~~ 4
f(x)=x^2+1 ~~ x^2+1
(x-2)^2+(y+1)^2=9 ~~ x^2+y^2-4x+2y-4=0
(x-2)^2+(y+1)^2=3 !~ (x-2)^2+(y+1)^2=9
n = 7 ~~ 7
x = 4 !~ y = 5
# intervals
(-\infty, 2)\cup(3, \infty) ~~ (-\infty,2) \cup (3,+\infty)
[2,3) !~ (2,3]
x \in [2,3) ~~ [2,3)
2\le x<3 ~~ [2,3)
2\leqslant x\leqslant 3 ~~ [2,3]
x>3 ~~ (3,\infty)
x\geq 3 !~ (3,\infty)
\left[-\frac12, \sqrt2\right] ~~ [-0.5,\sqrt{2}]
(-\infty, 2)\cup(2, \infty) ~~ x\ne 2
\mathbb{R} ~~ (-\infty,\infty)
\mathbb{R}\setminus\{2\} ~~ (-\infty, 2)\cup(2, \infty)
[1,2]\cup[2,3] ~~ [1,3]
# sets, lists, tuples
\{1,2,3\} ~~ \{3,2,1\}
\{1,2\} !~ \{1,2,3\}
\{1,2,3,4\} !~ \{1,2,3\}
1, 2, 3 ~~ 3,1,2
1 \text{ and } 2 ~~ 1,2
x=1\text{ or }x=2 ~~ 1,2
(1,2) !~ (2,1)
(1,2),(3,4) ~~ (3,4),(1,2)
(1,2),(3,4) !~ (1,4),(3,2)
(x,y)=(1,2) ~~ (1,2)
x=1, y=2 ~~ (1,2)
x=2, y=1 !~ (1,2)
\pm 3 ~~ 3,-3
3 !~ \pm 3
\left( \frac12 , -3 \right) ~~ (0.5,-3)
\langle 1,2,3\rangle ~~ (1,2,3)
\emptyset ~~ \varnothing
\{\} ~~ \emptyset
\{0\} !~ \emptyset
# matrices
\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix} ~~ \begin{bmatrix}1&2\\3&4\end{bmatrix}
\begin{pmatrix} 1 & 3 \\ 2 & 4 \end{pmatrix} !~ \begin{pmatrix}1&2\\3&4\end{pmatrix}
\begin{pmatrix} 1/2 \\ \sqrt{4} \end{pmatrix} ~~ \begin{pmatrix}0.5\\2\end{pmatrix}
\begin{pmatrix} 1 & 2 \end{pmatrix} !~ \begin{pmatrix}1\\2\end{pmatrix}
\begin{pmatrix}7\end{pmatrix} !~ \begin{pmatrix}8\end{pmatrix}
# choice
(B) ~~ B
\text{(B)} ~~ B
\textbf{(B)}\ 12 ~~ B
B. 12 ~~ B
b ~~ B
C !~ B
A, B !~ B
A,C ~~ C,A
\text{B or C} !~ B
# text
\text{Evelyn} ~~ Evelyn
evelyn ~~ \text{Evelyn}
\text{east} !~ \text{west}
\text{Yes} ~~ yes
\text{no} !~ yes
\text{odd} ~~ Odd
\text{ellipse} !~ \text{circle}
\text{Tuesday} ~~ Tuesday.
\text{not odd} !~ odd
# response
The final answer is $\boxed{70}$. I hope it is correct. ~~ 70
So $m+n = 25+2 = \boxed{027}$. ~~ 27
$$\boxed{\frac{\sqrt{3}}{3}}$$ ~~ \frac{1}{\sqrt3}
<think>maybe \boxed{5}</think> It is \boxed{6}. ~~ 6
<think>maybe \boxed{6}</think> It is \boxed{5}. !~ 6
<think>I get \boxed{6} !~ 6
**Answer:** 42 ~~ 42
Answer: $x = 42$ ~~ 42
\boxed{41} or maybe \boxed{42} ~~ 42
\boxed{42} hmm, no: \boxed{ !~ 42
\boxed{41, 42} !~ 42
\boxed{42 \text{ or } 43} !~ 42
The answer is either 42 or 43. !~ 42
# hostile
\boxed{42} !~ 43
9^{9^{9^{9^{9}}}} !~ 9
(10^9)! !~ 1
\frac{1}{0} !~ 0
0/0 !~ 1
x !~ 5
\text{42 (or 43)} !~ 42
4 2 !~ 42
42 43 44 !~ 42
\{42,42\} ~~ \{42\}
\text{any number} !~ 42
\_\_import\_\_('os') !~ 42
eval(42) !~ 42
42;43 !~ 42
42=42 !~ 42
x=x !~ x=4
0=0 !~ x=0
0x+5 !~ x+5
\sum_{k=1}^{10^{30}} k !~ 5
answer !~ 42
\boxed{} !~ 0
"""


def cases() -> Iterator[tuple[str, str, str, bool]]:
    """(kind, response, gold, whether they are equal)"""
    return parse(TABLE)
