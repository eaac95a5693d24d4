"""Three steps towards an equation: the question, the equation before it, the formula in words."""

from lab.practice.blanks import BLANKS
from lab.proof.numbering import key_of, number_of

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
}

HINTS |= {  # of what is graded by its effect
    "value-target": (
        "Which rows stand behind each other in time, and what is the last one's successor?",
        "Eq. 12 and 13: GAE wants V of each state and V of its true successor.",
        "Values of all T + 1 rows; the first T are those of the states, the last T of what follows. "
        "The advantages, of the scaled rewards, with termination and either kind of end. Target: "
        "advantage plus the state's value, before anything is normalised.",
    ),
    "joint-loss": (
        "Which of the two networks may take many steps on one batch, and why not the other?",
        "Eq. 10 and 33: each network has a loss of its own, and no weight is shared.",
        "One step for the policy, with its loss; as many as the settings say for the value "
        "function, with its own. The statistics of both.",
    ),
    "ppo": (
        "How often does each row of the batch come in an epoch?",
        "Eq. 36 and 37 hold a row's slope; Eq. 45 measures how far the policy has moved.",
        "Epoch by epoch: deal the shuffled rows into minibatches, and on each take one step for "
        "the policy and one for the value function. After an epoch that went beyond the largest "
        "KL, if there is one, stop.",
    ),
}


def hint(equation):
    """The three steps of a hint, of an equation's key or number: lines of text.

    Raises ValueError for an equation without a blank, or none.
    """
    number, key = number_of(equation), key_of(equation)
    if key not in HINTS:
        known = ", ".join(map(str, sorted({blank.equation for blank in BLANKS})))
        raise ValueError(f"no blank for Eq. {number}; there are blanks for {known}")
    labels = "ask yourself", "look at", "in words"
    return [f"{label}: {text}" for label, text in zip(labels, HINTS[key], strict=True)]
