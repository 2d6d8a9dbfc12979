"""Parameters of objects that None stands for, as scikit-learn reads and sets those of nested objects."""

from __future__ import annotations

from typing import Any, Self

from sklearn.base import BaseEstimator

__all__ = ["NestedDefaults"]


class NestedDefaults(BaseEstimator):
    """Base of estimators some of whose parameters may be None in place of an object with default parameters."""

    def _defaults(self) -> dict[str, Any]:
        """By the names of the parameters for which None stands for an object: such an object."""
        return {}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, with `deep` also those of the objects among them, and of those that None stands for.

        Parameters
        ----------
        deep : bool, default=True

        Returns
        -------
        dict
        """
        params = super().get_params(deep)
        for name, default in self._defaults().items() if deep else ():
            if params[name] is None:
                params |= {f"{name}__{key}": value for key, value in default.get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters; one of an object that None stands for puts such an object there.

        Parameters
        ----------
        **params : dict
            By name; those of an object among them as in ``generator__steps`` or ``run__log_dir``.

        Returns
        -------
        estimator
            Itself.

        Raises
        ------
        ValueError
            For one of an object in whose place there is a name.
        """
        super().set_params(**{key: value for key, value in params.items() if "__" not in key})
        nested = {key: value for key, value in params.items() if "__" in key}
        for name, default in self._defaults().items():
            own = {key: nested[key] for key in nested if key.startswith(f"{name}__")}
            if own and isinstance(value := getattr(self, name), str):
                raise ValueError(
                    f"{next(iter(own))} is a parameter of an object, and {name} is {value!r}; set {name} to an object, "
                    "or to None for the default one"
                )
            if own and getattr(self, name) is None:
                setattr(self, name, default.set_params(**{key.removeprefix(f"{name}__"): own[key] for key in own}))
                nested = {key: value for key, value in nested.items() if key not in own}
        return super().set_params(**nested)
