"""Layer-wise relevance propagation: the logit, shared out from layer to layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, Unpack, get_args

import torch
from torch import Tensor

from rdexplain.core.gradients import differentiating
from rdexplain.errors import OptionError, unknown
from rdexplain.methods.baselines.base import Baseline, BaselineOptions
from rdexplain.methods.baselines.layers import gradient_warnings_off, plain_weights, private_copy
from rdexplain.methods.baselines.relevance import attach_rules, prepared
from rdexplain.methods.baselines.rows import Rows
from rdexplain.methods.checks import check_number
from rdexplain.models import Model
from rdexplain.models.accelerate import fold_batch_norms
from rdexplain.text.extras import needed

Rule = Literal["epsilon_plus", "epsilon"]


class LRP(Baseline):
    """Layer-wise relevance propagation: Bach et al., PLOS ONE 2015, DOI 10.1371/journal.pone.0130140.

    The class's logit is shared out from each layer's outputs z to its inputs a. By the ε rule input i of output j gets
    a_i w_ij / (z_j + ε sign z_j) of its relevance; by the z+ rule (Montavon et al., 2017) its part of the positive
    contributions alone, without the bias. "epsilon_plus" is the usual composite: z+ in convolutions, ε elsewhere, sums
    of branches shared by size. Batch normalisations are folded into convolutions first, activations pass relevance on;
    what a bias gives or an output without positive contributions gets is lost. Captum propagates: it sees a traced
    copy of the network in which sums of branches are modules. Scores are signed, the sum over the channels.

    Args:
        model: a `Model` or an ``nn.Module`` from images (n, 3, h, w) in [0, 1] to (n, classes).
        rule: "epsilon_plus" or "epsilon".
        epsilon: ε.
        options: those of every baseline, see `BaselineOptions`.

    Raises:
        OptionError: an invalid value of an option, or captum is missing.
        ModelError: on `explain`, a network with a layer that has no rule, such as attention or a product of branches;
            it is named.
    """

    name = "lrp"
    uses_seed = False
    own_options = ("score", "rule", "epsilon")
    may_accelerate = False
    multiplies_by_inputs = True

    def __init__(
        self,
        model: Model | Callable[..., Any],
        *,
        rule: Rule = "epsilon_plus",
        epsilon: float = 1e-6,
        **options: Unpack[BaselineOptions],
    ) -> None:
        super().__init__(model, "logit", options)
        if rule not in get_args(Rule):
            raise OptionError(unknown("rule", str(rule), get_args(Rule)))
        self.rule = rule
        self.epsilon = check_number("epsilon", epsilon)
        if not self.epsilon > 0:
            raise OptionError(f"epsilon must be above 0, got {epsilon!r}")
        self._captum = needed("captum.attr", self.get_name())

    def work(self, size: tuple[int, int]) -> int:
        return 2

    def _attributions(self, rows: Rows) -> Tensor:
        run = rows.run
        copy = private_copy(run.model, self.get_name())
        plain_weights(copy)
        fold_batch_norms(copy)
        # Relevance is that of the network's own inputs: a normalised pixel's is the pixel's.
        images = run.model.normalised(rows.images).to(run.model.dtype)
        graph = prepared(copy, run.model.name, images[:1], run.arguments_for(run.photos[:1]), self.rule)

        # Of a single output, that of "yes", the relevance of "no" is the negative.
        signs = torch.tensor([2.0 * run.targets[row][0] - 1 if rows.single else 1.0 for row in range(len(rows))])

        def target(row: int) -> tuple[int, ...]:
            return (0,) if rows.single else run.targets[row]

        def work(which: Tensor) -> Tensor:
            attach_rules(graph, self.epsilon)
            rows.count(2 * len(which))
            with gradient_warnings_off(), differentiating():
                relevance = self._captum.LRP(graph).attribute(
                    images[which].clone(),
                    target=None if rows.flat else [target(row) for row in which.tolist()],
                    additional_forward_args=tuple(run.arguments_for(run.photos[which])) or None,
                )
            return relevance * signs.to(relevance)[which].view(-1, 1, 1, 1)

        return rows.batched(work).to(rows.images)
