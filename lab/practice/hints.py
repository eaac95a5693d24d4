"""Three steps towards an equation: the question, the equation before it, the formula in words."""

from lab.practice.blanks import BLANKS, CHAPTERS, find_source
from lab.proof.numbering import cited, key_of, number_of

# Equation -> (the question to ask oneself, what to look at before, the formula in words)
HINTS = {
    "linear": (
        "A weight is used in every row of the batch. From how many places does its gradient come?",
        "The chain rule alone: x̄ collects, over all outputs it feeds, their message times the slope.",
        "The input's message: the output's, times the weights transposed. The weights' gradient: "
        "inputs transposed times messages, which sums over the rows. The bias: the sum of the rows.",
    ),
    "activation": (
        "How much does the output move when the input moves a little, said with the output alone?",
        "Eq. 27 has just handed back a message for the activation's output.",
        "tanh: the message times one minus the output squared. ReLU: the message where the output "
        "is positive, nothing elsewhere.",
    ),
    "backprop": (
        "In which order do messages arrive, and what does each layer need that the forward pass saw?",
        "Eq. 27 for one layer, Eq. 28 for one activation. The cache holds each layer's input.",
        "From the last layer to the first: take the layer's own gradients, hand its input's message "
        "on, and send that through the activation below, which the first layer does not have. Lay "
        "the parts out as the parameters are: weights, bias, next layer.",
    ),
    "adam": (
        "Two running means began at zero. How far do they reach after t steps of a constant gradient?",
        "Eq. 32 has shortened the gradient.",
        "Move m towards the gradient and v towards its square, each by one minus its own β; divide "
        "each by one minus β to the power t; step against m̂ over (the root of v̂, plus ε).",
    ),
    "norm-clip": (
        "What may change about a gradient that is too long, and what must not?",
        "Eq. 29 gives the gradient as one vector.",
        "Its length is the root of the sum of squares. If that exceeds the limit, scale the whole "
        "vector, in place, by limit over (length + 10⁻⁶). Give back the length from before.",
    ),
    "log-softmax": (
        "What may you add to all logits of a row without changing a probability?",
        "The softmax itself: πₖ = exp zₖ over the sum of all exp zⱼ of its row.",
        "Take the row's largest logit off each; then subtract the log of the sum of their "
        "exponentials.",
    ),
    "softmax-jacobian": (
        "If one logit rises, which log-probabilities of its row change?",
        "Eq. 17, differentiated by one logit: the first part gives 1 for its own action.",
        "Each logit gets its own message, less its probability's share of the sum of all messages "
        "of the row.",
    ),
    "score": (
        "Only one log-probability of each row has a message. What is left of Eq. 18?",
        "Eq. 18 with U zero everywhere but in the taken action's column.",
        "The row's message, times (one-hot of the taken action, less the probabilities).",
    ),
    "entropy": (
        "Entropy feeds on every probability. What does the softmax do to a constant in their slopes?",
        "H = −Σ π log π by πₖ is −log πₖ − 1; then Eq. 18's softmax.",
        "Each logit gets minus its probability times (its log-probability plus the entropy), times "
        "the row's message. The entropy itself: minus the sum of probability times log-probability.",
    ),
    "gaussian": (
        "Independent dimensions multiply their densities. What do their logs do?",
        "The bell of one dimension: exp(−(a−μ)²/2σ²) over σ√(2π), and σ = exp ℓ.",
        "Summed over dimensions: minus half the squared distance in deviations, less ℓ, less half "
        "the log of 2π.",
    ),
    "gaussian-score": (
        "Which parameters are the row's own, and which do all rows share?",
        "Eq. 23, by μ and by ℓ; remember that σ = exp ℓ.",
        "Mean: the row's message times the distance over the variance. Log-deviation: the sum over "
        "rows of message times (squared distance in deviations, less one).",
    ),
    "gaussian-entropy": (
        "Does a bell become more undecided when it moves, or when it widens?",
        "Eq. 23: the entropy is minus its mean, and the mean of the squared distance is σ².",
        "The sum of the log-deviations, plus half the number of dimensions times log 2πe.",
    ),
    "kl": (
        "Who acted: the old policy or the new one? Over whose probabilities does the mean run?",
        "KL(old‖new) by log π is −π_old; then Eq. 18's softmax.",
        "KL: the old probabilities' mean of (old log minus new log). Its slope in the logits: new "
        "probabilities minus old ones, times the row's message.",
    ),
    "gaussian-kl": (
        "At which μ and σ is the divergence smallest, and do your slopes vanish there?",
        "The two bells' KL: ℓ − ℓ_old + (σ_old² + (μ_old − μ)²)/2σ² − ½ in each dimension.",
        "Mean: (new minus old) over the new variance. Log-deviation: one minus (old variance plus "
        "squared distance) over the new variance, summed over rows with their messages.",
    ),
    "returns": (
        "What do you know about the future after the last row of an episode? After a time limit?",
        "Eq. 2's return, G = r + γ G', walked backwards.",
        "Backwards: the reward, plus γ times what follows. What follows is nothing after a "
        "termination, V of the true successor where the record stops for another reason (a "
        "truncation, the last row), and the next row's own return otherwise.",
    ),
    "gae": (
        "Which of the two ends takes V(s') away, and which cuts the trace?",
        "Eq. 12: δ, the reward plus γ V(s'), unless terminated, less V(s).",
        "Backwards: δ plus γλ times the next row's advantage, unless this row ends its episode in "
        "either way. The last row has δ alone.",
    ),
    "normalize": (
        "What is left of a batch's advantages when they are all the same?",
        "Mean and deviation of the batch, both over all N rows.",
        "Subtract the mean, divide by (deviation plus ε). Fewer than two rows come back as they are.",
    ),
    "group-deviation": (
        "Which baseline has not seen the response that it is taken off from?",
        "Eq. 8 for the mean of the others; Eq. 16 for the scale, here group by group.",
        "Take each group's own mean off. Without the scale, times G over (G − 1): that is the reward "
        "less the mean of the others. With it, over (the group's deviation plus ε), both of them means over G.",
    ),
    "policy-gradient": (
        "Which logits should rise after a good reward, and which must sink so that π still sums to 1?",
        "The score, Eq. 19: the one-hot of the taken action, less the probabilities.",
        "Reward times score. With a matrix that makes logits of observations: each row's credit "
        "times its score, and the inputs transposed times these, which sums over the rows.",
    ),
    "reward-to-go": (
        "Which rewards can an action still change?",
        "Eq. 5: there, every action of an episode has the whole return for its credit.",
        "Each step's credit: the sum of the rewards from that step on, down its own episode. "
        "Turned round, that is a running sum. The gradient is Eq. 5's, with this credit.",
    ),
    "baseline": (
        "What may you subtract from the credit without moving the gradient's mean?",
        "Eq. 7's reward-to-go; and that the score's mean over the actions is zero.",
        "Subtract, at each time, the mean reward-to-go of the carts that still run then. The "
        "fallen have nothing and do not count. The gradient is Eq. 5's, with what is left.",
    ),
    "vpg-logits": (
        "The loss is to be minimised, and it is a mean over the rows. What does that do to the score?",
        "Eq. 19: a row's score in its logits, one-hot less probabilities.",
        "Each row: minus its advantage times its score, over the number of rows.",
    ),
    "ratio": (
        "By how much does the new policy take an old action more often than the old one did?",
        "Eq. 20; and ∂ρ/∂log π = ρ.",
        "The ratio: the taken action's probability now, over what it was when it was drawn. A row's "
        "slope: minus ratio times advantage times score, over the number of the minibatch's rows.",
    ),
    "vpg": (
        "The gradient should point where J falls. Which sign has the loss, and where does 1/N enter?",
        "Eq. 5 and 8: the gradient of J is a mean of advantage times score.",
        "Minus the mean of advantage times log-probability; each row's slope is minus its advantage "
        "over N.",
    ),
    "value-loss": (
        "Why is there a half?",
        "The error is value minus target; the target is a constant.",
        "Half the mean of the squared errors; each row's slope is its error over N.",
    ),
    "clip": (
        "Inside the band, which of the two branches is the smaller one?",
        "Eq. 35: the ratio, and ∂ρ/∂log π = ρ. Eq. 36: the mean of the smaller branch.",
        "The loss: minus the mean of the smaller of ratio times advantage and clipped ratio times "
        "advantage. A row's slope is minus ratio times advantage over N wherever the plain branch "
        "is the smaller one or they tie, and zero elsewhere.",
    ),
    "clipped-value": (
        "When the prediction has left the band, does its clipped twin still move?",
        "Eq. 33, once for the value and once for the value held within ε of the old one.",
        "Half the mean of the larger of the two squared errors. A row's slope is its plain error "
        "over N where the plain square is the larger one or they tie, and zero elsewhere.",
    ),
    "diagnostics": (
        "Does a row that has left the band always lose its gradient?",
        "Eq. 37: a row is dead if its ratio has passed the edge that its advantage points to.",
        "Clip fraction: the share of rows above 1 + ε or below 1 − ε. Dead fraction: of all rows, "
        "those above with a positive advantage or below with a negative one.",
    ),
    "kl-penalty": (
        "A sum of two losses: what are its slopes?",
        "Eq. 35's surrogate and Eq. 40's divergence.",
        "Minus the mean of (ratio times advantage less β times KL). By log-probability: minus ratio "
        "times advantage over N. By KL: β over N.",
    ),
    "adaptive-kl": (
        "If the policy hardly moved, is the leash too short or too long?",
        "Eq. 41: β pulls towards the old policy.",
        "KL below the target over 1.5: half of β. Above 1.5 times the target: twice β. Otherwise β. "
        "Never below 10⁻⁶ nor above 10⁶.",
    ),
    "density": (
        "Who draws what on the way from the first state to the last, and what do draws in a row do?",
        "Nothing before it: independent draws multiply their probabilities.",
        "The start's probability, times, for each step, the policy's of the action and the world's "
        "of the next state.",
    ),
    "objective": (
        "What is a reward worth that comes k steps later? And what is random in a return?",
        "Eq. 1 says how likely each trajectory is.",
        "The return from t: the sum of the rewards from t on, each times γ to the power of how much "
        "later it comes. J: the mean over trajectories of the return from the start.",
    ),
    "log-derivative": (
        "You want a mean, so a factor p in front. What is the derivative of log p?",
        "The chain rule for the logarithm: it hands back the slope of p over p.",
        "The gradient of p is p times the gradient of log p.",
    ),
    "dynamics": (
        "Which factors of a trajectory's probability contain θ?",
        "Eq. 1, and that the log of a product is a sum of logs.",
        "Start and world drop out; what is left is the sum over the steps of the gradient of the "
        "taken action's log-probability.",
    ),
    "mean-score": (
        "What do the probabilities of all actions sum to, whatever θ is?",
        "Eq. 3 backwards: probability times score is the gradient of the probability.",
        "The mean of the score is the sum of the probabilities' gradients, so the gradient of 1: zero.",
    ),
    "action-values": (
        "Which of the three averages over the action, which over the future alone?",
        "Eq. 2's return, and the policy's own mean.",
        "Q: the mean return after this action in this state. V: the policy's mean of Q over the "
        "actions. A: Q less V.",
    ),
    "td-error": (
        "What was expected before the step, and what do you hold after it?",
        "Eq. 9: V. A fall leaves no future, a time limit does.",
        "The reward, plus γ times V of the true successor unless the step terminated, less V of "
        "the state.",
    ),
    "n-step": (
        "In how many of the k-step estimates does the surprise l steps on occur?",
        "Eq. 12's surprises; the weights are those of a geometric series.",
        "The mean of the k-step estimates, with weights one minus λ times λ to the power k minus 1, "
        "and all that remains, λ to the power n minus 1, on the longest. Each estimate: k "
        "surprises, discounted and added.",
    ),
    "value-target": (
        "By how much did it go better than V said? Which rows stand behind each other in time, and "
        "what is the last one's successor?",
        "Eq. 12 and 13: GAE wants V of each state and V of its true successor.",
        "Values of all T + 1 rows; the first T are those of the states, the last T of what follows. "
        "The advantages, of the scaled rewards, with termination and either kind of end. Target: "
        "advantage plus the state's value, before anything is normalised.",
    ),
    "softmax-backward": (
        "If one probability is to rise, what must the others do so that the sum stays 1?",
        "Eq. 18; a wish for p is, seen from log p, p times the wish.",
        "Each probability's wish, less the policy's average wish in that row, times the probability.",
    ),
    "gaussian-gradient": (
        "Each row has a mean of its own, but who uses the deviation?",
        "Eq. 24's slopes, and Eq. 19's weight for each row.",
        "Mean: minus the weight over N, times distance over variance, row by row. Log-deviation: "
        "minus the mean over the rows of weight times (squared distance in deviations, less one).",
    ),
    "orthogonal": (
        "Which matrices stretch every direction alike, and how do you get one from random numbers?",
        "The QR factorisation. It is unique only once R's diagonal is positive.",
        "Factor a matrix of normal numbers, with the longer side down; give each column of Q the "
        "sign of R's diagonal; multiply by the gain, and turn it on its side where that is needed.",
    ),
    "performance": (
        "If the new policy drives, what do the old values' surprises add up to along the way?",
        "Eq. 12's surprise with the old V; neighbours cancel. Eq. 9 says what its mean is.",
        "The gain in J is the new policy's mean of the discounted sum of the old advantages.",
    ),
    "clipped-objective": (
        "If an action was good and is much likelier already, what shall more of it earn?",
        "Eq. 35's ratio times advantage, and the same with the ratio held in the band.",
        "Minus the mean, over the rows, of the smaller one of ratio times advantage and clipped "
        "ratio times advantage.",
    ),
    "ppo": (
        "Which part of Chapter C changes when the loss does? And how often does each row of the "
        "batch come in an epoch?",
        "Eq. 37's slope, Eq. 35's ratio, and Eq. 19 with another weight. Eq. 45 measures how far the "
        "policy has moved.",
        "Each row: 1 if it is alive, times ratio times advantage, over N, times (probabilities less "
        "one-hot of the taken action). In an update, epoch by epoch: deal the shuffled rows into "
        "minibatches, and on each take one step for the policy and one for the value function. After "
        "an epoch that went beyond the largest KL, if there is one, stop.",
    ),
    "joint-loss": (
        "What does a trunk collect whose output two heads read? And without one, which of the two "
        "networks may take many steps on one batch, and why not the other?",
        "Eq. 27: each head hands back its message times its weights, transposed. Where no weight is "
        "shared, each network has a loss of its own: Eq. 10 and 33.",
        "The sum of the policy's loss, c times the value's, less c times the entropy. The trunk's "
        "message: the policy head's plus the value head's. VPG's update has no trunk: one step for "
        "the policy, with its loss; as many as the settings say for the value function, with its "
        "own; the statistics of both.",
    ),
    "visitation": (
        "How often does the policy come to a state, if late visits count less?",
        "The one-step recursion of V, differentiated and put into itself.",
        "Sum over the states: the discounted visits, times the sum over actions of the gradient of "
        "the probability times Q. The visits: the sum over times of γ to the power t times the "
        "chance to be there.",
    ),
    "tabular-gradient": (
        "With finitely many states V solves a linear equation. Which one?",
        "Eq. 46, with the score of a table of logits: one-hot less probabilities.",
        "V: the inverse of (identity less γ times the transitions), times the mean rewards. Visits: "
        "the start's chances times the same inverse. The slope: visits times probability times "
        "advantage.",
    ),
    "best-baseline": (
        "The mean does not depend on b. What does the mean squared length do?",
        "Eq. 8 for one step: the estimate is (return less b) times the score. Set a slope to zero.",
        "The mean of the return times the score's squared length, over the mean of the score's "
        "squared length.",
    ),
    "response-score": (
        "A response is a trajectory. What is its log-probability, token by token?",
        "Eq. 4 and 5, with nothing discounted.",
        "The log-probability of a response is the sum of its tokens'. The gradient of the mean of "
        "f is the mean of f times the score, while f is held still.",
    ),
    "leave-one-out": (
        "Which baseline of the group has not seen this response?",
        "Eq. 8: a baseline may depend on everything but the action.",
        "The reward less the mean reward of the others, which is G over (G − 1) times the reward "
        "less the group's mean.",
    ),
    "response-length": (
        "If each response is divided by its own length, of which goal is that the gradient?",
        "Eq. 49 backwards; given the response, Eq. 50's advantage has the mean reward less p.",
        "It is the gradient of the mean of (reward less p) over the length, with p held still.",
    ),
    "sequence-ratio": (
        "What was drawn, a token or the response? Whose ratio puts its probability right?",
        "Eq. 35 for one token; probabilities of tokens multiply.",
        "A token's ratio: new over old probability, given what is before it. The response's: their "
        "product, which weighs rewards exactly. The slope of its root of the length: itself, times "
        "the score over the length.",
    ),
    "kl-reward": (
        "In the mean of a log-ratio, what moves: the weights, what is averaged, or both?",
        "Eq. 49 for the weights; Eq. 6 for what is averaged.",
        "The mean of the score times (the reward less β times the log of the ratio to the "
        "reference), held still.",
    ),
    "kl-losses": (
        "Three estimates have nearly the same value. What are their slopes by log π?",
        "Eq. 45's estimates, with the reference over the policy as the ratio; Eq. 54.",
        "k1: 1, so that its mean is noise alone. k2: the log of policy over reference, whose mean "
        "is right. k3: 1 less reference over policy, the slope of the other KL.",
    ),
    "tilted": (
        "Among all policies, which one trades reward against staying near best?",
        "Eq. 54's goal; put in a policy whose log is the reference's plus R over β.",
        "The reference times the exponential of reward over β, over the sum S of these. The goal is "
        "then β log S less β times the KL to that policy.",
    ),
    "dpo": (
        "Which reward would make this policy the best one, and what of it cancels in a difference?",
        "Eq. 56, solved for the reward; the slope of log sigmoid.",
        "h: β times the difference of the two log-ratios to the reference. Loss: minus the mean log "
        "of its sigmoid. Its gradient: minus β over N, summed: sigmoid of minus h, times the "
        "difference of the scores.",
    ),
    "token-rows": (
        "Which rows of logits has somebody drawn from? And whose number is the weight, a token's or "
        "the answer's?",
        "Eq. 19's row; Eq. 49's sum over the tokens. The row at a place chose the next character.",
        "Each row: probabilities less one-hot of the next character, times the answer's weight over "
        "the number of answers. Rows of the prompt before its last character are 0, and so are "
        "those after the row that chose the first full stop.",
    ),
    "rms-norm": (
        "In which direction may x move without y noticing?",
        "The slope of r by x: y over D.",
        "The gradient by y, less y times the row's mean of (gradient times y), and all over r.",
    ),
    "attention": (
        "Whom does a place's value reach, and with which share? Which two things multiply in A V?",
        "Eq. 27, with A in the inputs' place and V in the weights'; then Eq. 61 and 62, in the same "
        "function.",
        "Values: A transposed times the gradient of what was read. A: that gradient times V "
        "transposed. Then the softmax's way back, row by row (Eq. 61); then queries and keys "
        "(Eq. 62). All for each text and each head by itself, and in the end rows of D again.",
    ),
    "attention-softmax": (
        "A row of A sums to 1. What of its gradient can therefore not matter?",
        "Eq. 21, with A for P.",
        "A times (its gradient less the row's sum of A times its gradient). What is masked has A = 0.",
    ),
    "queries-keys": (
        "Each score is a query times a key. Who collects whom?",
        "Eq. 61's slopes of S; and that S is over the root of C.",
        "Queries: the slopes of S times K, over √C. Keys: the slopes transposed, times Q, over √C.",
    ),
    "residual": (
        "By which ways does a row go on, and what do the gradients that come back do?",
        "Eq. 27 for each matrix, Eq. 28 for tanh, Eq. 59 and 60–62 for norm and attention.",
        "Walk back from the logits: matrix, norm; then twice: what came along the straight way, plus "
        "what came back through the branch, its norm last. The normed rows before attention went "
        "three ways: three terms. Lay the nine gradients out as SHAPES has them.",
    ),
    "embedding": (
        "A character stands twice in a text. How often is its row of the table used?",
        "Eq. 27, with one-hot rows in the inputs' place.",
        "Characters: the one-hot rows, transposed, times the gradient: a sum over all places where "
        "each stands. Places: the sum over the texts.",
    ),
}


# Of a blank that has no equation of its own.
OF_BLANKS = {
    "gradient_check.largest_error": (
        "By how much does a loss change when one entry of its argument moves a little?",
        "docs/objectives.md, G: of an imaginary step, the loss's imaginary part holds the slope, and "
        "nothing is subtracted.",
        "Entry by entry: move it by a tiny imaginary step; the loss's imaginary part over the step is "
        "the slope. Of all distances to the hand-made slopes, the largest.",
    ),
}


def hint(equation):
    """The three steps of a hint, of an equation's key or number, or a blank's name: lines of text.

    Raises ValueError for an equation that is none.
    """
    labels = "ask yourself", "look at", "in words"
    named = next(
        (b for b in BLANKS if equation in (b.path, b.name) and b.chapter in CHAPTERS), None
    )
    if named is not None and equation not in HINTS:
        steps = OF_BLANKS.get(named.path) or HINTS[named.key]
    else:
        steps = HINTS[key_of(equation)]
    return [f"{label}: {text}" for label, text in zip(labels, steps, strict=True)]


def holders(equation):
    """The lesson's blanks in which an equation is written, though they are called by another's key.

    Raises ValueError as hint does.
    """
    blanks = [blank for blank in BLANKS if blank.chapter in CHAPTERS]
    if any(equation in (blank.path, blank.name) for blank in blanks) and equation not in HINTS:
        return []
    number = number_of(equation)
    if any(blank.equation == number for blank in blanks):
        return []
    return [blank for blank in blanks if number in cited(find_source(blank))]
